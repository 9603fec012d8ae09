import * as z from 'zod';
import { filterSchema } from './filter-schema.js';
import { timeOfDay } from './schedule-schema.js';
import { AUDIT_LEVELS, CONFLICT_RESOLUTIONS, DELETE_PROPAGATIONS, TRANSFER_TYPES } from './words.js';

const MOST_FILTERS = 1000;

const id = z.union([z.string().min(1), z.number().transform(String)]);

/** One end of a transfer: a connection (by id or name) and a folder below its root. */
export const endpointSchema = z.strictObject({
  // Whoever sends back what was read has the name as well.
  connection: z.strictObject({ id, name: z.string().optional() }).transform(({ id }) => ({ id })),
  target: z.strictObject({ path: z.string().default('/') }).default({ path: '/' }),
  /** Bytes, as somebody guessed them; only shown. */
  size_estimate: z.number().optional(),
});
export type EndpointReference = z.output<typeof endpointSchema>;

const bandwidth = z.strictObject({
  bytes_per_second: z.number().nonnegative().optional(),
  window: z.array(z.strictObject({ time: timeOfDay, bytes_per_second: z.number().nonnegative() })).optional(),
});

/** true/false, or the numbers that say the same. */
const yes = z.union([z.boolean(), z.literal([0, 1]).transform((value) => value === 1)]);

const fields = {
  transfer_type: z.enum(TRANSFER_TYPES).default('sync'),
  source: endpointSchema,
  destination: endpointSchema,
  conflict_resolution: z.enum(CONFLICT_RESOLUTIONS).default('copy'),
  delete_propagation: z.enum(DELETE_PROPAGATIONS).default('ignore_source'),
  /** Absent: true, but false into Procore. */
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
  /** Absent: where the destination can; true: refused where it cannot. */
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
  /** Deletions within 24 hours above which they are held for a person; false: never held. */
  delete_guard: z.union([z.literal(false), z.number().int().nonnegative()]).default(100),
  /** Days that deleted and overwritten files stay in `.procorefs-trash` of the destination; 0: deleted at once. */
  trash_days: z.number().int().min(0).max(3650).default(30),
  /** The job (id or name) whose renamed items get their first names back. */
  names_from: z.string().min(1).optional(),
} as const;

/** Keys of the model that have no meaning here, with the reason. */
export const refusedKeys: Readonly<Record<string, string>> = {
  preserve_owners: 'Procore shows who uploaded a version, which is always the account of the connection',
  permissions: 'the Procore API gives no lists of permissions',
  account_map: 'everything is done by the account of the connection',
  group_map: 'everything is done by the account of the connection',
  impersonate_as: 'the Procore API cannot act for another person',
  rendition: 'Procore keeps no renditions of documents',
};

/** Without meaning, and harmless when they ask for nothing. */
const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === false || value === 'ignore' || value === 'none';

/** The keys of a transfer that do something here, without the two sides. */
export const transferKeys = Object.keys(fields).filter((key) => key !== 'source' && key !== 'destination');

const known = new Set(Object.keys(fields));

/**
 * The transfer of a job. A key that has no meaning here is refused by name with the reason, unless it asks for nothing;
 * an unknown one is refused by name.
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

/** Transfers that change their source. */
export const changesSource = ({ transfer_type: type }: Pick<Transfer, 'transfer_type'>): boolean =>
  type === 'sync' || type === 'move';
