import { isAbsolute, resolve } from 'node:path';
import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { OptionValues } from '../../base/options.js';
import { Connections } from '../../connections/store.js';
import { openConnection } from '../../endpoints/connection.js';
import { openTarget } from '../../endpoints/open.js';
import { type Analysis, analyze } from '../../jobs/analyze/analyze.js';
import { TargetEndpoint } from '../../jobs/endpoint.js';
import type { PlatformName } from '../../names/platforms.js';
import { ProcoreEndpoint } from '../../project/endpoint/procore-endpoint.js';
import { Owned, Project, type ProjectOptions, projectKey } from '../../project/project.js';
import { openProjectSession } from '../../project/session.js';
import type { StateFolder } from '../../project/state-folder.js';
import { afterEnding, askDaemon } from '../control.js';
import { accessOf } from './opener.js';
import { type End, endOf } from './places.js';
import { sideFrom } from './references.js';

export interface AnalyzeRequest {
  readonly platform: PlatformName | undefined;
  /** The most entries of each list. */
  readonly most: number;
  readonly signal: AbortSignal;
}

export interface AnalyzeContext {
  readonly state: StateFolder;
  readonly options: OptionValues;
  readonly projectOptions: ProjectOptions;
  readonly log: Log;
}

/** Milliseconds to wait for an owner that is shutting down, as after an unmount. */
const ENDING_LIMIT_MS = 10_000;

/**
 * Analyzes `CONNECTION:PROJECT[/folder]`, a target `CONNECTION:[/path]`, or a folder of this machine. A project that a
 * daemon owns is analyzed by it. Otherwise the project is opened; this makes no API call if it is mirrored already.
 * @throws Failure `usage`, `no-such-connection`, `no-such-project`, `target-missing`, …
 */
export async function analyzeSource(text: string, request: AnalyzeRequest, context: AnalyzeContext): Promise<Analysis> {
  const { signal } = request;
  if (isAbsolute(text) || /^\.{1,2}(\/|$)/.test(text)) {
    const target = await openTarget({ platform: 'fs', uri: resolve(text) }, { mayWrite: false, signal });
    return analyzeTarget(new TargetEndpoint(target), request);
  }
  const connections = new Connections(context.state.path);
  const end = endOf(connections, sideFrom(connections, text));
  if (end.kind === 'project')
    return afterEnding(ENDING_LIMIT_MS, () => analyzeWhereOwned(end, request, context), signal);
  const target = await openConnection(connections, end.connection, { path: end.path, mayWrite: false, signal });
  return analyzeTarget(new TargetEndpoint(target), request);
}

async function analyzeTarget(
  endpoint: TargetEndpoint,
  { platform = 'procore', most, signal }: AnalyzeRequest,
): Promise<Analysis> {
  try {
    // For platform `procore`, local names are decoded, as names on a mount are.
    return await analyze(endpoint, { platform, most, decode: platform === 'procore', now: systemClock.now(), signal });
  } finally {
    await endpoint.close();
  }
}

async function analyzeWhereOwned(
  end: End & { kind: 'project' },
  request: AnalyzeRequest,
  { state, options, projectOptions, log }: AnalyzeContext,
): Promise<Analysis> {
  const session = await openProjectSession(state, end.source, options, log);
  let project: Project | undefined;
  try {
    project = await Project.open(session, state, projectOptions, log);
    await project.mirror.open(request.signal);
    // A project that is mirrored already needs no updates for this.
    if (!project.mirror.view.crawlDone) project.mirror.start();
    return await analyzeProject(project, end.source.folder, request);
  } catch (error) {
    return await askOwner(error, state.socket(projectKey(session)), end.source.folder, request);
  } finally {
    await project?.close();
    await session.close();
  }
}

/** Lets the daemon that owns a project analyze it. @throws `error` unless it says that another process is the owner */
export async function askOwner(
  error: unknown,
  socket: string,
  folder: string,
  { signal, ...words }: AnalyzeRequest,
): Promise<Analysis> {
  if (!(error instanceof Owned)) throw error;
  try {
    return await askDaemon<Analysis>(socket, 'analyze', { folder, ...words }, signal);
  } catch (inner) {
    if (inner instanceof Failure || signal.aborted) throw inner;
    throw new Failure('already-owned', { pid: error.pid }, inner);
  }
}

/** An endpoint for walking a project that this process owns. Waits for the crawl; makes no other API calls. */
export async function crawledEndpoint(
  project: Project,
  folder: string,
  purpose: string,
  locks: boolean,
  signal: AbortSignal,
): Promise<ProcoreEndpoint> {
  await project.mirror.crawled(signal);
  return new ProcoreEndpoint(accessOf(project), {
    job: `${purpose} ${systemClock.now()}`,
    jobName: purpose,
    path: folder,
    whenSpent: 'wait',
    lastPollIsEnough: true,
    locks,
  });
}

/** Analyzes a project that this process owns. */
export async function analyzeProject(
  project: Project,
  folder: string,
  { platform = 'linux', most, signal }: AnalyzeRequest,
): Promise<Analysis> {
  const endpoint = await crawledEndpoint(project, folder, 'analyze', true, signal);
  return analyze(endpoint, { platform, most, decode: true, now: systemClock.now(), signal });
}
