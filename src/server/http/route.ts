import * as z from 'zod';
import type { Account, Role } from '../access/account.js';
import { common, paging } from './wire.js';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One request, parsed and checked. */
export interface Ask<Query = unknown, Body = unknown> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  readonly account: Account;
  /** The platform user to act as: the header `X-Connect-As`. */
  readonly connectAs: string | undefined;
  /** Aborts when the client disconnects, or the service ends. */
  readonly signal: AbortSignal;
  /** Takes this many Procore calls from the user's share. @throws Failure `too-many-requests` */
  spend(calls: number): void;
}

/**
 * Effects of an operation beyond its reply: calls at Procore, files of this machine read or written, programs started,
 * connections to an address that the request names.
 */
export type Cause = 'procore' | 'files' | 'programs' | 'addresses';

export interface RowPage {
  readonly rows: readonly object[];
  readonly total: number;
}

export interface RowRange {
  readonly offset: number;
  readonly limit: number;
}

interface Base {
  readonly method: Method;
  /** In Fastify's notation: `/v1/jobs/:id`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly role: Role;
  readonly query: z.ZodObject;
  readonly body: z.ZodType | undefined;
  /** Status of a successful reply; default 200. */
  readonly status: number;
  /** Supports `X-Connect-As`; other calls refuse it. */
  readonly connectAs: boolean;
  readonly causes: readonly Cause[];
  /** The audit log records the request. */
  readonly isWrittenDown: boolean;
}

/** `{"status","type","job":{…}}` */
export interface OneRoute extends Base {
  readonly kind: 'one';
  readonly type: string;
  readonly reply: z.ZodType;
  run(ask: Ask): Promise<object> | object;
}

/** `{"type","jobs":[…],"meta":{…}}` */
export interface ListRoute extends Base {
  readonly kind: 'list';
  readonly type: string;
  /** The key of the rows, if it differs from the type; both are sent. */
  readonly key: string;
  readonly reply: z.ZodType;
  /** Columns of the list's CSV form (suffix `.csv`); dots lead into objects; undefined: no CSV form. */
  readonly csv: readonly string[] | undefined;
  page(ask: Ask, range: RowRange): Promise<RowPage> | RowPage;
}

/** `{"status","type","meta":{"total_count"}}`: the number of items that the operation applied to. */
export interface CountRoute extends Base {
  readonly kind: 'count';
  readonly type: string;
  run(ask: Ask): Promise<number> | number;
}

/** The reply without an envelope. */
export interface PlainRoute extends Base {
  readonly kind: 'plain';
  readonly reply: z.ZodType;
  /** Columns of the CSV form (suffix `.csv`), which has one row; dots lead into objects; undefined: no CSV form. */
  readonly csv: readonly string[] | undefined;
  run(ask: Ask): Promise<object> | object;
}

export type Route = OneRoute | ListRoute | CountRoute | PlainRoute;

type NoKeys = Record<never, never>;

interface Given<Q extends z.ZodRawShape, B extends z.ZodType> {
  readonly method?: Method;
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** Default `manage`, or `read` for operations that only read. */
  readonly role?: Role;
  /** Changes nothing, although its method is not GET. */
  readonly reads?: true;
  readonly connectAs?: true;
  /** Effects beyond the reply; empty: none. */
  readonly causes: readonly Cause[];
  /** A GET with an effect, which the audit log records as well. */
  readonly begins?: true;
  readonly query?: Q;
  readonly body?: B;
  readonly status?: number;
}

type Asked<Q extends z.ZodRawShape, B extends z.ZodType> = Ask<z.output<z.ZodObject<Q>>, z.output<B>>;

function base<Q extends z.ZodRawShape, B extends z.ZodType>(given: Given<Q, B>, shared: z.ZodRawShape): Base {
  const method = given.method ?? 'GET';
  const reads = method === 'GET' || given.reads === true;
  const shape = { ...shared, ...given.query };
  return {
    method,
    path: given.path,
    summary: given.summary,
    tag: given.tag,
    role: given.role ?? (reads ? 'read' : 'manage'),
    // A read ignores unknown parameters; in a change one could mean that more is changed than intended.
    query: reads ? z.object(shape) : z.strictObject(shape),
    body: given.body,
    status: given.status ?? 200,
    connectAs: given.connectAs === true,
    causes: given.causes,
    isWrittenDown: method !== 'GET' || given.begins === true,
  };
}

export const one = <Q extends z.ZodRawShape = NoKeys, B extends z.ZodType = z.ZodUndefined>(
  given: Given<Q, B> & {
    readonly type: string;
    readonly reply: z.ZodType;
    run(ask: Asked<Q, B>): Promise<object> | object;
  },
): OneRoute => ({
  ...base(given, common),
  kind: 'one',
  type: given.type,
  reply: given.reply,
  run: (ask) => given.run(ask as Asked<Q, B>),
});

/** Forgets a thing that has a name; the reply tells which it was. */
export const removal = (
  given: Pick<Given<NoKeys, z.ZodUndefined>, 'path' | 'summary' | 'tag'> & { readonly type: string },
  remove: (id: string) => { readonly id: string; readonly name: string },
): OneRoute =>
  one({
    ...given,
    method: 'DELETE',
    causes: [],
    reply: z.object({ id: z.string(), name: z.string() }),
    run: ({ params }) => remove(params.id!),
  });

export const list = <Q extends z.ZodRawShape = NoKeys, B extends z.ZodType = z.ZodUndefined>(
  given: Omit<Given<Q, B>, 'status'> & {
    readonly type: string;
    readonly key?: string;
    readonly reply: z.ZodType;
    readonly csv?: readonly string[];
    page(ask: Asked<Q & typeof paging, B>, range: RowRange): Promise<RowPage> | RowPage;
  },
): ListRoute => ({
  ...base(given, paging),
  kind: 'list',
  type: given.type,
  key: given.key ?? given.type,
  reply: given.reply,
  csv: given.csv,
  page: (ask, range) => given.page(ask as Asked<Q & typeof paging, B>, range),
});

export const count = <Q extends z.ZodRawShape = NoKeys, B extends z.ZodType = z.ZodUndefined>(
  given: Given<Q, B> & { readonly type: string; run(ask: Asked<Q, B>): Promise<number> | number },
): CountRoute => ({
  ...base(given, common),
  kind: 'count',
  type: given.type,
  run: (ask) => given.run(ask as Asked<Q, B>),
});

export const plain = <Q extends z.ZodRawShape = NoKeys, B extends z.ZodType = z.ZodUndefined>(
  given: Given<Q, B> & {
    readonly reply: z.ZodType;
    readonly csv?: readonly string[];
    run(ask: Asked<Q, B>): Promise<object> | object;
  },
): PlainRoute => ({
  ...base(given, common),
  kind: 'plain',
  reply: given.reply,
  csv: given.csv,
  run: (ask) => given.run(ask as Asked<Q, B>),
});

/** One page of rows that are all in memory. */
export const pageOf = (rows: readonly object[], { offset, limit }: RowRange): RowPage => ({
  rows: rows.slice(offset, offset + limit),
  total: rows.length,
});
