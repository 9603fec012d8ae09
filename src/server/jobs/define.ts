import { Failure } from '../../base/errors.js';
import { type Job, parseJobBody, type Ways } from '../../jobs/definition/job-schema.js';
import type { Account } from '../access/account.js';
import type { ServiceParts } from '../parts.js';
import type { Reach } from '../reach.js';
import { shownWays } from './view.js';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Maximum nesting of a job's JSON. */
const DEEPEST_JOB = 20;

/** RFC 7396: null removes a key, objects are changed key by key. */
function merge(before: unknown, change: unknown, depth = 0): unknown {
  if (depth > DEEPEST_JOB) throw new Failure('request-refused-here', { what: 'a job is no object that deep' });
  if (!isObject(change)) return change;
  const after: Json = isObject(before) ? { ...before } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete after[key];
    else after[key] = merge(after[key], value, depth + 1);
  }
  return after;
}

/** Keys of a reply that cannot be set: a client that sends back a job as it read it includes them. */
const TOLD = new Set([
  'id',
  'status',
  'health',
  'execute_on',
  'execution',
  'previous_execution',
  'counts',
  'created_by',
  'created_on',
  'modified_by',
  'modified_on',
]);

/** The keys that can be set. In a whole definition a null has no meaning; in a change it removes the key. */
const settable = (value: Json): Json => Object.fromEntries(Object.entries(value).filter(([key]) => !TOLD.has(key)));
const definition = (value: Json): Json =>
  Object.fromEntries(Object.entries(settable(value)).filter(([, own]) => own !== null));

/** @throws Failure `job-refused`, `job-overlaps`, `job-name-taken`, `not-permitted-here`, `no-such-connection`, … */
export const addJob = (parts: ServiceParts, body: Json, account: Account): Promise<Job> =>
  add(parts, definition(body), undefined, account);

async function add(parts: ServiceParts, body: Json, from: Ways | undefined, account: Account): Promise<Job> {
  const { engine, store, reach } = parts;
  const parsed = parseJobBody(withSides(withWays(body, from, reach, account)));
  await engine.check(parsed.name, parsed.transfer);
  return store.add(parsed, account.name);
}

/** Changes the given keys, or all (`isWhole`). Failures as `addJob`, `no-such-job`, `job-running`. */
export async function changeJob(
  { engine, store, reach }: ServiceParts,
  job: Job,
  change: Json,
  isWhole: boolean,
  account: Account,
): Promise<Job> {
  const body = isWhole ? definition(change) : (merge(bodyOf(job), settable(change)) as Json);
  const parsed = parseJobBody(withSides(withWays(body, job.notify, reach, account)));
  await engine.check(job.name, parsed.transfer);
  return store.replace(job.id, parsed, account.name);
}

/**
 * `notify` with its hidden values restored. Commands are defined in the configuration only, and chosen by name; a POST
 * goes to a public address, or to one in the configuration.
 * @throws Failure `not-permitted-here`
 */
function withWays(body: Json, before: Ways | undefined, reach: Reach, account: Account): Json {
  const { notify } = body;
  if (!isObject(notify)) return body;
  const ways: Json = { ...notify };
  const shown = before && shownWays(before);
  for (const way of ['command', 'url'] as const)
    if (before?.[way] !== undefined && ways[way] === shown?.[way]) ways[way] = before[way];
  const refused = (what: string): Failure => new Failure('not-permitted-here', { what });
  const isNew = (way: keyof Ways): boolean => typeof ways[way] === 'string' && ways[way] !== before?.[way];
  if (isNew('command') && !account.isOwner)
    throw refused('notify.command is defined on the machine alone: choose one of its "programs" with notify.program');
  if (isNew('program')) reach.requireProgram(account, String(ways.program));
  if (isNew('url') && !account.isOwner && URL.canParse(String(ways.url))) {
    const why = reach.hosts.refusal(new URL(String(ways.url)));
    if (why !== undefined) throw refused(`notify.url: ${why}`);
  }
  return { ...body, notify: ways };
}

/** A copy under another name, with the given keys changed. */
export async function cloneJob(parts: ServiceParts, job: Job, change: Json, account: Account): Promise<Job> {
  const names = new Set(parts.store.list().map(({ name }) => name));
  let name = `${job.name} (copy)`;
  for (let n = 2; names.has(name); n++) name = `${job.name} (copy ${n})`;
  return add(parts, merge({ ...bodyOf(job), name }, settable(change)) as Json, job.notify, account);
}

const bodyOf = ({
  id,
  status,
  health,
  execute_on,
  counts,
  created_by,
  created_on,
  modified_by,
  modified_on,
  ...body
}: Job): Json => JSON.parse(JSON.stringify(body)) as Json;

/** Sides in replies include their platform; the schema of jobs accepts ids and names only. */
function withSides(body: Json): Json {
  const { transfer } = body;
  if (!isObject(transfer)) return body;
  const side = (value: unknown): unknown => {
    if (!isObject(value) || !isObject(value.connection)) return value;
    const { platform: _, name, ...connection } = value.connection;
    return { ...value, connection: { ...connection, ...(typeof name === 'string' ? { name } : {}) } };
  };
  const own = transfer.source === undefined ? {} : { source: side(transfer.source) };
  const other = transfer.destination === undefined ? {} : { destination: side(transfer.destination) };
  return { ...body, transfer: { ...transfer, ...own, ...other } };
}
