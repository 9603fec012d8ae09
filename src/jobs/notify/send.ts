import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Agent, request } from 'undici';
import { limited } from '../../base/abort.js';
import type { AllowedHosts } from '../../base/allowed-hosts.js';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { oneLine } from '../../base/text.js';
import type { Ways } from '../definition/job-schema.js';
import { mailText } from './mail.js';
import { type Notice, noticeJson } from './notice.js';

/** Usual paths of sendmail on Linux (Filesystem Hierarchy Standard). */
const SENDMAIL = ['/usr/sbin/sendmail', '/usr/lib/sendmail', '/usr/bin/sendmail'];
/** Time limit of a program, milliseconds. */
const PROGRAM_LIMIT_MS = 60_000;
const POST_LIMIT = 10_000;
const POST_PAUSES = [1000, 5000];

/** Means of notification that the configuration permits. */
export interface Means {
  /** Commands by name. */
  readonly programs: Readonly<Record<string, string>>;
  /** Hosts that a POST may reach in addition to public addresses; undefined: any host. */
  readonly hosts: AllowedHosts | undefined;
}

/** What ends a way that takes too long. */
interface Bounds {
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Sends a notice by each of the ways. Resolves with the failures; a way that fails does not affect the others. */
export async function sendNotice(ways: Ways, notice: Notice, means: Means, bounds: Bounds): Promise<Failure[]> {
  const { command, program, mail: to, url } = ways;
  const sent = await Promise.allSettled([
    ...(command === undefined ? [] : [runCommand(command, notice, bounds)]),
    ...(program === undefined ? [] : [runProgram(program, means, notice, bounds)]),
    ...(to === undefined ? [] : [mail(to, notice, bounds)]),
    ...(url === undefined ? [] : [post(new URL(url), means.hosts, notice, bounds)]),
  ]);
  return sent.flatMap((one) =>
    one.status === 'fulfilled'
      ? []
      : [one.reason instanceof Failure ? one.reason : new Failure('internal', {}, one.reason)],
  );
}

/** A command may contain a token. Every user can read the arguments of a process, but not its environment (proc(5)). */
const RUN = 'own=$NOTICE_COMMAND; unset NOTICE_COMMAND; eval "$own"';

/**
 * The administrator writes the command. The notice reaches it only as data: in the environment and on standard input.
 */
function runCommand(command: string, notice: Notice, bounds: Bounds): Promise<void> {
  return feed('/bin/sh', ['-c', RUN], `${noticeJson(notice)}\n`, command, bounds, {
    NOTICE_COMMAND: command,
    NOTICE_EVENT: notice.kind,
    NOTICE_MESSAGE: oneLine(notice.message, 1000),
    NOTICE_JOB: oneLine(notice.job?.name ?? ''),
    NOTICE_STATUS: notice.status ?? '',
    NOTICE_REPORT: notice.report ?? '',
  });
}

async function runProgram(name: string, { programs }: Means, notice: Notice, bounds: Bounds): Promise<void> {
  if (!Object.hasOwn(programs, name))
    throw new Failure('notify-failed', {
      way: `"${oneLine(name)}"`,
      why: '"programs" of config.json has no such name',
    });
  await runCommand(programs[name]!, notice, bounds);
}

async function mail(to: string, notice: Notice, bounds: Bounds): Promise<void> {
  const program = SENDMAIL.find((path) => existsSync(path));
  if (!program) throw new Failure('notify-failed', { way: 'mail', why: 'there is no sendmail on this machine' });
  const subject = `procorefs: ${notice.kind.replace('-', ' ')}: ${oneLine(notice.message, 150)}`;
  const body = [
    oneLine(notice.message, 1000),
    ...(notice.report === undefined ? [] : ['', `Report: ${notice.report}`]),
    '',
  ].join('\n');
  // -i: a line with a single dot does not end the mail. --: the rest is an address, even if it begins with a dash.
  await feed(program, ['-i', '--', to], mailText(to, subject, body), program, bounds, {});
}

/** Posts a notice. Redirects are not followed: they may lead to a host that is not allowed. */
async function post(url: URL, hosts: AllowedHosts | undefined, notice: Notice, bounds: Bounds): Promise<void> {
  const { signal, clock } = bounds;
  // A URL may contain a token, so a failure shows only its host.
  const failed = (cause: unknown, why?: string): Failure =>
    new Failure('notify-failed', { way: `the address at ${url.host}`, ...(why === undefined ? {} : { why }) }, cause);
  const refusal = hosts?.refusal(url);
  if (refusal !== undefined) throw failed(undefined, refusal);
  const agent = new Agent(hosts ? { connect: { lookup: hosts.lookup(url) } } : {});
  try {
    for (let n = 0; ; n++) {
      try {
        return await postOnce(agent, url, notice, bounds);
      } catch (error) {
        const pause = POST_PAUSES[n];
        if (signal.aborted || pause === undefined) throw failed(error);
        await clock.sleep(pause, signal).catch(() => undefined);
      }
    }
  } finally {
    await agent.destroy();
  }
}

async function postOnce(dispatcher: Agent, url: URL, notice: Notice, { signal, clock }: Bounds): Promise<void> {
  const limit = limited(signal, POST_LIMIT, () => new Error('it did not answer in time'), clock);
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: noticeJson(notice),
      signal: limit.signal,
    });
    body.on('error', () => undefined).destroy();
    if (statusCode < 200 || statusCode > 299) throw new Error(`it answered ${statusCode}`);
  } finally {
    limit.end();
  }
}

function feed(
  program: string,
  words: readonly string[],
  input: string,
  shown: string,
  { signal, clock }: Bounds,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const failed = (why: string, cause?: unknown): Failure =>
    new Failure('notify-failed', { way: oneLine(shown, 100), why }, cause);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    // A process group of its own, so that the processes it starts end with it.
    const child = spawn(program, words, {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    });
    const end = (): void => {
      if (child.pid !== undefined && child.exitCode === null)
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // The process has just ended.
        }
    };
    const cancel = clock.after(PROGRAM_LIMIT_MS, end);
    signal.addEventListener('abort', end, { once: true });
    child.once('error', (error) => {
      cancel();
      reject(failed('it could not be started', error));
    });
    child.once('exit', (code, killed) => {
      cancel();
      signal.removeEventListener('abort', end);
      if (code === 0) resolve();
      else reject(failed(killed === null ? `it ended with ${code}` : `it was ended by ${killed}`));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
