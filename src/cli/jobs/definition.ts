import { readFileSync } from 'node:fs';
import { Failure } from '../../base/errors.js';
import { Connections } from '../../connections/store.js';
import { sideFrom } from '../../daemon/jobs/references.js';
import { type JobBody, parseJobBody } from '../../jobs/definition/job-schema.js';
import type { CommandContext } from '../command.js';

const usage = (what: string): Failure => new Failure('usage', { what });

/** Keys of a job that `--set` addresses directly; all other keys belong to `transfer`. */
const TOP = new Set([
  'description',
  'schedule',
  'stop_policy',
  'category',
  'priority',
  'disabled',
  'retention',
  'notify',
]);

/** The job definition from the arguments of `jobs add`. @throws Failure `usage`, `job-refused`, `no-such-connection` */
export function bodyFrom(context: CommandContext): JobBody {
  const file = context.flag('file');
  const beside = ['from', 'to', 'type', 'schedule'].find((flag) => context.flag(flag) !== undefined);
  if (file !== undefined && beside !== undefined)
    throw usage(`--${beside} beside --file: the file says it; --set changes what it says`);
  const body: Record<string, unknown> = file === undefined ? fromWords(context) : fromFile(file);
  const name = context.args[0];
  if (name !== undefined) body.name = name;
  for (const text of (context.flags.set as string[] | undefined) ?? []) set(body, text);
  return parseJobBody(body);
}

function fromFile(file: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    throw new Failure('usage', { what: `${file} holds no job` }, error);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw usage(`${file} holds no job`);
  return body as Record<string, unknown>;
}

function fromWords(context: CommandContext): Record<string, unknown> {
  const from = context.flag('from');
  const to = context.flag('to');
  if (from === undefined || to === undefined) throw usage('a job needs --from and --to, or --file');
  const connections = new Connections(context.state().path);
  const schedule = context.flag('schedule');
  return {
    transfer: {
      transfer_type: context.flag('type') ?? 'copy',
      source: sideFrom(connections, from),
      destination: sideFrom(connections, to),
    },
    schedule: schedule === undefined ? { mode: 'manual' } : scheduleFrom(schedule),
  };
}

const DAYS = /^(daily|everyday|weekdays|weekends|(?:mon|tues|wednes|thurs|fri|satur|sun)day) (\d{1,2}):(\d{2})$/;

/** `manual`, `auto`, `ad-hoc`, `every 15m`, `daily 02:00`, `weekdays 21:30`, or the JSON of a schedule. */
export function scheduleFrom(text: string): Record<string, unknown> {
  if (['manual', 'auto', 'ad-hoc'].includes(text)) return { mode: text };
  if (text.startsWith('{')) return scheduleOf(text);
  const every = /^every (\d+)([smhd])$/.exec(text);
  if (every) return { mode: 'auto', repeat_interval: { value: Number(every[1]), unit: every[2] } };
  const at = DAYS.exec(text);
  if (at)
    return {
      mode: 'auto',
      ...(at[1] === 'daily' ? {} : { days: [at[1]] }),
      run_at: { hr: Number(at[2]), min: Number(at[3]) },
    };
  throw usage(`"${text}" is no schedule: manual, auto, ad-hoc, "every 15m", "daily 02:00", "weekdays 21:30", or JSON`);
}

function scheduleOf(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch (error) {
    throw new Failure('usage', { what: `${json} is no schedule, and no JSON` }, error);
  }
}

/** `KEY=VALUE`; dots in the key address nested objects; the value is parsed as JSON if it is valid JSON. */
function set(body: Record<string, unknown>, text: string): void {
  const equals = text.indexOf('=');
  if (equals <= 0) throw usage(`"${text}" is not KEY=VALUE`);
  const path = text.slice(0, equals).split('.');
  const value = text.slice(equals + 1);
  const keys = path[0] === 'transfer' || TOP.has(path[0]!) ? path : ['transfer', ...path];
  if (keys.some((key) => ['__proto__', 'constructor', 'prototype'].includes(key))) throw usage(`no such key: ${text}`);
  let at = body;
  for (const key of keys.slice(0, -1)) {
    const inner = typeof at[key] === 'object' && at[key] !== null ? (at[key] as Record<string, unknown>) : {};
    at[key] = inner;
    at = inner;
  }
  at[keys.at(-1)!] = parsed(value);
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
