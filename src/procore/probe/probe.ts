import type { Connection } from '../../connections/connection.js';
import type { OAuthClient } from '../../connections/oauth.js';
import { Caller, type CallerOptions } from './caller.js';
import { type Evidence, noEvidence } from './evidence.js';
import { type FactRow, factTable } from './fact-table.js';
import { type ProbedProject, readFacts, type WantedReading } from './reading.js';
import { lookAtSignIn } from './sign-in-look.js';
import { watchSpike } from './spike-window.js';
import { type CleanUp, writeFacts } from './writing.js';

export interface ProbeOptions extends Omit<CallerOptions, 'apiUrl' | 'loginUrl'> {
  readonly connection: Connection;
  /** Undefined: the sign-in host is not tested. */
  readonly signIn?: OAuthClient | undefined;
  readonly wanted: WantedReading;
  readonly signal?: AbortSignal;
  /** Seconds of the spike window; default 10. 0: the window is not observed, which may take 15 seconds. */
  readonly spikeSeconds?: number;
}

export interface FactAnswer extends Pick<FactRow, 'name' | 'fact' | 'how'> {
  /** Undefined: not known. */
  readonly answer: string | undefined;
  /** Why it is not known. */
  readonly why: string | undefined;
  /** Calls that the answer comes from; some of them answer several facts. */
  readonly calls: number;
}

export interface ProbeReport {
  readonly facts: readonly FactAnswer[];
  readonly calls: number;
  /** Those with a 4xx reply. */
  readonly refused: number;
  readonly project: number | undefined;
  readonly cleanUp: CleanUp | undefined;
  /** The failure that ended the probe early; earlier results are in `facts`. */
  readonly failure: unknown;
}

/** Maximum number of calls, whatever the server answers, plus one for each level of the folder to write in. */
export const MOST_CALLS = { read: 17, write: 39 } as const;

/** Answers the facts of the API for one account. Never rejects: a failure is part of the report. */
export async function probe(options: ProbeOptions): Promise<ProbeReport> {
  const { connection, wanted, signal } = options;
  const evidence = noEvidence();
  evidence.grant = connection.grant;
  if (options.spikeSeconds) evidence.spikeSeconds = options.spikeSeconds;
  const { apiUrl, loginUrl } = connection;
  const caller = new Caller({ ...options, apiUrl, loginUrl }, evidence, signal);
  let failure: unknown;
  let cleanUp: CleanUp | undefined;
  try {
    const { signIn } = options;
    if (signIn) await lookAtSignIn(caller.agent, signIn, evidence, options.log, signal);
    const place = await readFacts(caller, evidence, connection, wanted);
    if (place && wanted.folder !== undefined) {
      const written = await writeFacts(caller, evidence, place);
      cleanUp = written.cleanUp;
      if (written.failure !== undefined) throw written.failure;
    }
    if (place) await watch(caller, evidence, place, options.spikeSeconds !== 0);
  } catch (error) {
    failure = error;
  } finally {
    await caller.close();
  }
  const facts = factTable.map((row) => answered(row, evidence, caller, wanted.folder !== undefined));
  const { calls, refused } = caller;
  return { facts, calls, refused, project: evidence.project, cleanUp, failure };
}

/** The last calls, timed to show how the spike window moves; one of them also answers a fact of its own. */
async function watch(caller: Caller, evidence: Evidence, place: ProbedProject, timed: boolean): Promise<void> {
  const { company, project } = place;
  const call = async (): Promise<void> => {
    if (evidence.seen.v2) await caller.call('window', { path: '/rest/v1.0/me', company });
    else
      await caller.call('v2', {
        path: `/rest/v2.0/companies/${company}/projects/${project}/folders?per_page=1`,
        company,
      });
  };
  if (timed)
    await watchSpike({
      seen: evidence.rates,
      seconds: evidence.spikeSeconds,
      now: () => caller.clock.monotonic(),
      sleep: (ms) => caller.sleep(ms),
      call,
    });
  if (!evidence.seen.v2) await call();
}

function answered(row: FactRow, evidence: Evidence, caller: Caller, writes: boolean): FactAnswer {
  const { name, fact, how, steps } = row;
  const answer = row.answer(evidence);
  const calls = steps.reduce((sum, step) => sum + (caller.spent.get(step) ?? 0), 0);
  let why = row.why;
  if (answer === undefined && why === undefined)
    why = how === 'write' && !writes ? 'needs --write' : 'what was seen does not tell';
  return { name, fact, how, answer, why: answer === undefined ? why : undefined, calls };
}
