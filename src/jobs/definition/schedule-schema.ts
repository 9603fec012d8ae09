import * as z from 'zod';
import { DAYS, DURATION_UNITS, SCHEDULE_MODES } from './words.js';

/** A duration, e.g. `{"value":15,"unit":"m"}`. */
export const duration = z.strictObject({ value: z.number().nonnegative(), unit: z.enum(DURATION_UNITS) });
export type Duration = z.output<typeof duration>;

const UNIT_MS = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds. */
export const durationMs = ({ value, unit }: Duration): number => value * UNIT_MS[unit];

/** A wall-clock time in the time zone of the schedule. */
export const timeOfDay = z.strictObject({
  hr: z.number().int().min(0).max(23),
  min: z.number().int().min(0).max(59).default(0),
  sec: z.number().int().min(0).max(59).default(0),
  ms: z.number().int().min(0).max(999).default(0),
});

const isZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

/**
 * Dates are Unix seconds. Windows and `run_at` are wall-clock times in `time_zone`; default: the zone of the machine.
 */
const scheduleFields = z.strictObject({
  mode: z.enum(SCHEDULE_MODES).default('auto'),
  start_date: z.number().optional(),
  end_date: z.number().optional(),
  start_window: timeOfDay.optional(),
  end_window: timeOfDay.optional(),
  repeat_count: z.number().int().positive().optional(),
  repeat_interval: duration.optional(),
  days: z.array(z.enum(DAYS)).min(1).optional(),
  run_at: z.union([timeOfDay, z.array(timeOfDay).min(1)]).optional(),
  max_execution: duration.optional(),
  time_zone: z.string().refine(isZone, 'no such time zone').optional(),
});
export type Schedule = z.output<typeof scheduleFields>;

/** Keys for jobs that start by themselves, without effect on a manual job. */
const OF_ITSELF = ['start_date', 'end_date', 'repeat_count', 'repeat_interval', 'days', 'run_at'] as const;
/** An ad-hoc job runs once. */
const REPEATS = ['repeat_count', 'repeat_interval'] as const;

/** Refuses keys that would have no effect. */
export const scheduleSchema = scheduleFields.superRefine((schedule, context) => {
  const refuse = (key: keyof Schedule, message: string): void => {
    if (schedule[key] !== undefined) context.addIssue({ code: 'custom', path: [key], message });
  };
  if (schedule.mode === 'manual')
    for (const key of OF_ITSELF) refuse(key, 'a manual job runs only when it is started; mode "auto" runs by itself');
  if (schedule.mode === 'ad-hoc') for (const key of REPEATS) refuse(key, 'an ad-hoc job runs once');
  const { start_date: start, end_date: end } = schedule;
  if (start !== undefined && end !== undefined && end <= start) refuse('end_date', 'it is not after start_date');
});

const count = z.number().int().nonnegative();

const ALIASES = [
  ['on_success', 'completions'],
  ['on_failure', 'failures'],
  ['on_execute', 'executions'],
] as const;

/** Accepts each key also by its older name. 0 and absent mean never. */
export const stopPolicySchema = z
  .strictObject({
    on_success: count.optional(),
    on_failure: count.optional(),
    on_execute: count.optional(),
    completions: count.optional(),
    failures: count.optional(),
    executions: count.optional(),
  })
  .superRefine((given, context) => {
    for (const [word, older] of ALIASES)
      if (given[word] !== undefined && given[older] !== undefined && given[word] !== given[older])
        context.addIssue({ code: 'custom', path: [older], message: `${word} says another number, and means the same` });
  })
  .transform(({ completions, failures, executions, ...own }) => ({
    on_success: own.on_success ?? completions ?? 0,
    on_failure: own.on_failure ?? failures ?? 0,
    on_execute: own.on_execute ?? executions ?? 0,
  }));
export type StopPolicy = z.output<typeof stopPolicySchema>;
