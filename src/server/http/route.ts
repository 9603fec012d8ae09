import * as z from 'zod';
import type { Account, Role } from '../access/account.js';
import { common, paging } from './wire.js';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One request, understood. */
export interface Ask<Query = unknown, Body = unknown> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  readonly account: Account;
  /** Whom the request wants to act as at the platform: the header `X-Connect-As`. */
  readonly connectAs: string | undefined;
  /** Ends when whoever asked has gone, or the service ends. */
  readonly signal: AbortSignal;
  /** Takes so many calls at Procore from the share of whoever asks. @throws Failure `too-many-requests` */
  spend(calls: number): void;
}

/** What an operation may cause beyond its reply: calls at Procore, files of this machine read or written, programs started, connections to an address that the request names. */
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
  /** As Fastify has it: `/v1/jobs/:id`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly role: Role;
  readonly query: z.ZodObject;
  readonly body: z.ZodType | undefined;
  /** Of the success; 200 unless told. */
  readonly status: number;
  /** Heeds `X-Connect-As`; other calls refuse it. */
  readonly connectAs: boolean;
  readonly causes: readonly Cause[];
  /** Stands in the audit log. */
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
  /** The key of the rows, if it is not the type; both are sent. */
  readonly key: string;
  readonly reply: z.ZodType;
  /** Columns of the same list with the suffix `.csv`, dots lead into objects; undefined: there is none. */
  readonly csv: readonly string[] | undefined;
  page(ask: Ask, range: RowRange): Promise<RowPage> | RowPage;
}

/** `{"status","type","meta":{"total_count"}}`: something was asked of so many. */
export interface CountRoute extends Base {
  readonly kind: 'count';
  readonly type: string;
  run(ask: Ask): Promise<number> | number;
}

/** As it is, without an envelope. */
export interface PlainRoute extends Base {
  readonly kind: 'plain';
  readonly reply: z.ZodType;
  /** Columns of the same as a line, with the suffix `.csv`, dots lead into objects; undefined: there is none. */
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
  /** `manage` unless it only reads. */
  readonly role?: Role;
  /** Another method than GET that changes nothing. */
  readonly reads?: true;
  readonly connectAs?: true;
  /** What it may bring about beyond a reply; empty: nothing. */
  readonly causes: readonly Cause[];
  /** A GET that the audit log has as well: it begins something. */
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
    // What a read does not know it leaves alone; a word that a change does not know would change more than was meant.
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

/** One page of rows that are all at hand. */
export const pageOf = (rows: readonly object[], { offset, limit }: RowRange): RowPage => ({
  rows: rows.slice(offset, offset + limit),
  total: rows.length,
});
