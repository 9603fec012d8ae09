import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import { oneLine } from '../../base/text.js';
import { type Schedule, type StopPolicy, scheduleSchema, stopPolicySchema } from './schedule-schema.js';
import { type Transfer, transferSchema } from './transfer-schema.js';
import type { JobHealth, JobStatus } from './words.js';

/**
 * Ways of notification: a shell command, a command from `programs` of the configuration, a mail through sendmail, a
 * POST.
 */
export const waysSchema = z.strictObject({
  command: z.string().min(1).max(10_000).optional(),
  program: z.string().min(1).max(100).optional(),
  /** One mail address, or the name of a local user. */
  mail: z
    .string()
    .regex(/^[A-Za-z0-9_][\w.+%=-]{0,63}(@[A-Za-z0-9.-]{1,253})?$/, 'no mail address')
    .optional(),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .optional(),
});
export type Ways = z.output<typeof waysSchema>;

/** `programs` of the configuration: commands by the names that jobs use. */
export const programsSchema = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'no name of a program'), z.string().min(1).max(10_000))
  .default({});

/** The body of `POST /v1/jobs`, and of `jobs add --file`. */
export const jobBodySchema = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .regex(/^\P{Cc}*$/u, 'no control characters'),
  kind: z.literal('transfer', { error: 'only jobs of kind "transfer" can be run here' }).default('transfer'),
  description: z.string().max(2000).optional(),
  transfer: transferSchema,
  schedule: scheduleSchema.default({ mode: 'auto' }),
  stop_policy: stopPolicySchema.default({ on_success: 0, on_failure: 0, on_execute: 0 }),
  category: z.strictObject({ id: z.string().optional(), name: z.string().min(1).max(200).optional() }).optional(),
  /** If more jobs are due than may run at once, those with a higher priority start first. */
  priority: z.number().int().min(0).max(100).default(50),
  disabled: z.boolean().default(false),
  /** How long runs are kept, days. */
  retention: z.strictObject({ days: z.number().int().min(1).max(3650).default(90) }).default({ days: 90 }),
  /** Notified when a run fails or flags items, or when the job has not run for long. */
  notify: waysSchema.optional(),
  /** An existing job; only lists use it. */
  parent_id: z.string().min(1).optional(),
});
export type JobBody = z.output<typeof jobBodySchema>;

/** A stored job. Times are Unix seconds. */
export interface Job extends Omit<JobBody, 'category'> {
  readonly id: string;
  readonly transfer: Transfer;
  readonly schedule: Schedule;
  readonly stop_policy: StopPolicy;
  readonly category: { readonly id: string; readonly name: string } | undefined;
  readonly status: JobStatus;
  readonly health: JobHealth;
  /** When the job runs next; undefined: only when it is started by hand. */
  readonly execute_on: number | undefined;
  /** Counts of runs for the stop policy: all, those without a change, those with failures. */
  readonly counts: { readonly executions: number; readonly completions: number; readonly failures: number };
  readonly created_by: string;
  readonly created_on: number;
  readonly modified_by: string;
  readonly modified_on: number;
}

/** @throws Failure `job-refused`, naming the key and the reason */
export function parseJobBody(value: unknown): JobBody {
  const parsed = jobBodySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const why = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message, ...issue }) => {
      const keys = 'keys' in issue && Array.isArray(issue.keys) ? issue.keys : [];
      const where = [...path, ...keys].join('.');
      return `${where || 'the job'}: ${keys.length > 0 ? 'no such key' : message}`;
    })
    .join('; ');
  throw new Failure('job-refused', { why: oneLine(why, 1000) });
}
