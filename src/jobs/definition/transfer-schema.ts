import * as z from 'zod';
import { CONFLICT_RESOLUTIONS } from './conflicts.js';
import { filterSchema } from './filter-schema.js';
import { timeOfDay } from './schedule-schema.js';
import { AUDIT_LEVELS, DELETE_PROPAGATIONS, TRANSFER_TYPES } from './words.js';

const MOST_FILTERS = 1000;

const id = z.union([z.string().min(1), z.number().transform(String)]);

/** An endpoint of a transfer: a connection (by id or name) and a folder below its root. */
export const endpointSchema = z.strictObject({
  // A client that sends back a job it has read includes the name.
  connection: z.strictObject({ id, name: z.string().optional() }).transform(({ id }) => ({ id })),
  target: z.strictObject({ path: z.string().default('/') }).default({ path: '/' }),
  /** Estimated bytes; only for display. */
  size_estimate: z.number().optional(),
});
export type EndpointReference = z.output<typeof endpointSchema>;

const bandwidth = z.strictObject({
  bytes_per_second: z.number().nonnegative().optional(),
  window: z.array(z.strictObject({ time: timeOfDay, bytes_per_second: z.number().nonnegative() })).optional(),
});

/** Accepts true and false, or 1 and 0. */
const yes = z.union([z.boolean(), z.literal([0, 1]).transform((value) => value === 1)]);

const fields = {
  transfer_type: z.enum(TRANSFER_TYPES).default('sync'),
  source: endpointSchema,
  destination: endpointSchema,
  conflict_resolution: z.enum(CONFLICT_RESOLUTIONS).default('copy'),
  delete_propagation: z.enum(DELETE_PROPAGATIONS).default('ignore_source'),
  /** Absent: false if the names go to Procore, else true. */
  segment_transform: yes.optional(),
  encode_invalid_characters: yes.default(false),
  segment_truncate: yes.default(false),
  duplicate_names: z.enum(['rename', 'warn']).default('rename'),
  empty_containers: z.enum(['create', 'skip']).default('create'),
  large_item: z.enum(['fail', 'skip']).default('fail'),
  failure_policy: z.enum(['continue', 'halt']).default('continue'),
  versioning: z
    .strictObject({
      preserve: z.enum(['native', 'none']).default('native'),
      select: z.enum(['latest', 'all']).default('latest'),
    })
    .refine(({ preserve, select }) => preserve === 'native' || select === 'latest', {
      message: 'preserve "none" keeps no version but the latest, which select "all" contradicts',
    })
    .default({ preserve: 'native', select: 'latest' }),
  /** Absent: kept where the destination can; true: the job is refused if it cannot. */
  timestamps: yes.optional(),
  lock_propagation: z
    .union([z.enum(['ignore', 'skip']), z.literal([false, 0]).transform(() => 'ignore' as const)], {
      error: 'check-outs cannot be carried over; "skip" leaves out what somebody has checked out, "ignore" copies it',
    })
    .default('ignore'),
  performance: z
    .strictObject({
      retries: z.number().int().min(0).max(100).default(3),
      parallel_writes: z
        .strictObject({
          requested: z.number().int().min(1).max(64).default(4),
          max: z.number().int().min(1).max(64).default(16),
        })
        .default({ requested: 4, max: 16 }),
      upload: bandwidth.optional(),
      download: bandwidth.optional(),
    })
    .default({ retries: 3, parallel_writes: { requested: 4, max: 16 } }),
  filter: z
    .strictObject({
      source: z.array(filterSchema).max(MOST_FILTERS).default([]),
      destination: z.array(filterSchema).max(MOST_FILTERS).default([]),
    })
    .default({ source: [], destination: [] }),
  audit_level: z.enum(AUDIT_LEVELS).default('info'),
  simulation_mode: yes.default(false),
  /** Delete guard: number of deletions within 24 hours above which they wait for a person; false: never. */
  delete_guard: z.union([z.literal(false), z.number().int().nonnegative()]).default(100),
  /** Days that deleted and overwritten files stay in `.procorefs-trash` of the endpoint; 0: deleted at once. */
  trash_days: z.number().int().min(0).max(3650).default(30),
  /** A job (id or name) whose renamed items get their original names back. */
  names_from: z.string().min(1).optional(),
} as const;

/** Keys of the job model that are not supported, with the reason. */
export const refusedKeys: Readonly<Record<string, string>> = {
  preserve_owners: 'Procore shows who uploaded a version, which is always the account of the connection',
  permissions: 'the Procore API gives no lists of permissions',
  account_map: 'everything is done by the account of the connection',
  group_map: 'everything is done by the account of the connection',
  impersonate_as: 'the Procore API cannot act for another person',
  rendition: 'Procore keeps no renditions of documents',
};

/** Whether the value of an unsupported key asks for nothing, so that the key can be ignored. */
const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === false || value === 'ignore' || value === 'none';

/** Supported keys of a transfer, without the endpoints. */
export const transferKeys = Object.keys(fields).filter((key) => key !== 'source' && key !== 'destination');

const known = new Set(Object.keys(fields));

/**
 * The transfer of a job. An unsupported key is refused by name with the reason, unless it asks for nothing. An unknown
 * key is refused by name.
 */
export const transferSchema = z.preprocess((value, context) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const kept: Record<string, unknown> = {};
  const check = (key: string, own: unknown, path: (string | number)[]): boolean => {
    const reason = refusedKeys[key];
    if (reason === undefined) return true;
    if (!isNothing(own)) context.addIssue({ code: 'custom', path: [...path, key], message: reason });
    return false;
  };
  for (const [key, own] of Object.entries(value)) {
    if (!check(key, own, [])) continue;
    if (!known.has(key)) context.addIssue({ code: 'custom', path: [key], message: 'no such key' });
    else if ((key === 'source' || key === 'destination') && typeof own === 'object' && own !== null)
      kept[key] = Object.fromEntries(
        Object.entries(own).filter(([inner, given]) => inner !== 'event_position' && check(inner, given, [key])),
      );
    else kept[key] = own;
  }
  return kept;
}, z.strictObject(fields));
export type Transfer = z.output<typeof transferSchema>;

/** Whether a transfer changes its source. */
export const changesSource = ({ transfer_type: type }: Pick<Transfer, 'transfer_type'>): boolean =>
  type === 'sync' || type === 'move';
