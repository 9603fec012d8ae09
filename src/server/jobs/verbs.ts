import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import { type JobEngine, RESETS } from '../../jobs/engine.js';
import type { JobRequest, RunOptions } from '../../jobs/store/job-store.js';
import { flag, wordOf } from '../http/wire.js';

const REQUESTS = ['start', 'pause', 'resume', 'cancel'] as const satisfies readonly JobRequest[];

/** Actions on jobs: `start=1`, or `{"status":"start"}`. */
export const verbs = {
  start: flag.optional(),
  pause: flag.optional(),
  resume: flag.optional(),
  cancel: flag.optional(),
  /** A run that only reports what would be done: the estimate. */
  simulate: flag.optional(),
  /** A run that may delete more than `delete_guard` permits. */
  allow_deletions: flag.optional(),
  reset: wordOf(RESETS).optional(),
} as const;

export const verbBody = z.strictObject({ status: z.enum(REQUESTS).optional() });

type Words = { readonly [Key in keyof typeof verbs]?: z.output<(typeof verbs)[Key]> | undefined };

export type Act = (engine: JobEngine, job: Job) => void;

/** The action in a query or body; undefined: none. @throws Failure `request-refused-here` for two at once */
export function actOf(query: Words, status: string | undefined): Act | undefined {
  const asked = [
    ...REQUESTS.filter((word) => query[word] === true || status === word),
    ...(query.simulate === true ? ['simulate' as const] : []),
    ...(query.reset === undefined ? [] : ['reset' as const]),
  ];
  if (asked.length > 1) throw new Failure('request-refused-here', { what: `one at a time: ${asked.join(', ')}` });
  const [verb] = asked;
  const { reset, allow_deletions: allowDeletions } = query;
  if (verb === 'reset') return (engine, job) => void engine.reset(job.id, reset!);
  if (verb === 'simulate') return (engine, job) => start(engine, job, { simulate: true });
  if (verb === 'start') return (engine, job) => start(engine, job, allowDeletions ? { allowDeletions } : {});
  return verb && (({ store }, job) => store.ask(job.id, verb));
}

/** @throws Failure `job-running` */
export function start({ store }: JobEngine, job: Job, options: RunOptions): void {
  const last = store.last.of(job.id, 'any');
  if (last && last.ended === undefined) throw new Failure('job-running', { name: job.name });
  store.setState(job.id, { status: 'start' });
  store.ask(job.id, 'start', options);
}
