import * as z from 'zod';
import { Failure } from '../base/errors.js';
import { asRemoteId, asVersionId } from '../base/ids.js';
import { oneLine } from '../base/text.js';
import type { BadRow, RemoteItem, RemoteVersion } from './items.js';
import { whole } from './json-members.js';

/**
 * Schemas of the API's rows, and their conversion. They are lenient: unknown keys pass, and only fields without which
 * an item is useless are required, so that a new or missing field never loses a row.
 */
const id = z.union([
  z.number().int().positive().max(Number.MAX_SAFE_INTEGER),
  z
    .string()
    .regex(/^[1-9]\d{0,15}$/)
    .transform(Number),
]);
const count = z.union([
  z.number().nonnegative(),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
]);
const time = z
  .string()
  .transform((text) => Date.parse(text) / 1000)
  .refine(Number.isFinite, 'not a time');
const person = z.union([
  z.string(),
  z.number().transform(String),
  z
    .looseObject({ id: id.nullish(), name: z.string().nullish(), login: z.string().nullish() })
    .transform((who) => who.name ?? who.login ?? (who.id == null ? undefined : String(who.id))),
]);
const flag = z.boolean().nullish();

const versionRow = z.looseObject({
  id,
  number: count.nullish(),
  size: count.nullish(),
  url: z.string().nullish(),
  created_at: time.nullish(),
  created_by: person.nullish(),
  prostore_file: z.looseObject({ url: z.string().nullish() }).nullish(),
});

const common = {
  id,
  name: z.string(),
  parent_id: id.nullish(),
  updated_at: time.nullish(),
  created_at: time.nullish(),
  is_deleted: flag,
  is_recycle_bin: flag,
  private: flag,
  read_only: flag,
};

const commonRow = z.looseObject(common);

const folderRow = z.looseObject({ ...common, has_children: flag });

const fileRow = z.looseObject({
  ...common,
  size: count.nullish(),
  file_versions: z.array(z.unknown()).nullish(),
  checked_out_by: person.nullish(),
  checked_out_until: time.nullish(),
});

const indexRow = z.looseObject({
  ...common,
  document_type: z.string().nullish(),
  file: z
    .looseObject({
      current_version: versionRow.nullish(),
      checked_out_by: person.nullish(),
      checked_out_until: time.nullish(),
    })
    .nullish(),
});

type Common = z.output<typeof commonRow>;

const item = (
  row: Common,
  type: 'file' | 'folder',
  version?: RemoteVersion,
  out?: { checked_out_by?: string | null | undefined; checked_out_until?: number | null | undefined } | null,
): RemoteItem => {
  const updatedAt = row.updated_at ?? row.created_at ?? 0;
  return {
    id: asRemoteId(row.id),
    type,
    name: row.name,
    parentId: row.parent_id == null ? null : asRemoteId(row.parent_id),
    updatedAt,
    createdAt: row.created_at ?? updatedAt,
    deleted: row.is_deleted ?? false,
    recycleBin: row.is_recycle_bin ?? false,
    private: row.private ?? false,
    readOnly: row.read_only ?? false,
    version,
    checkedOutBy: out?.checked_out_by ?? undefined,
    checkedOutUntil: out?.checked_out_until ?? undefined,
  };
};

const versionOf = (row: z.output<typeof versionRow>, fallback: { size: number; createdAt: number }): RemoteVersion => ({
  id: asVersionId(row.id),
  number: row.number ?? 1,
  size: row.size ?? fallback.size,
  createdAt: row.created_at ?? fallback.createdAt,
  createdBy: row.created_by ?? undefined,
  url: row.url ?? row.prostore_file?.url ?? undefined,
});

/** A version from `/file_versions`. */
export const toVersion = (row: unknown): RemoteVersion => versionOf(versionRow.parse(row), { size: 0, createdAt: 0 });

export function toFolder(raw: unknown): RemoteItem {
  const row = folderRow.parse(raw);
  return { ...item(row, 'folder'), ...(row.has_children == null ? {} : { hasChildren: row.has_children }) };
}

/** A file from `/files/{id}` or a folder listing; its current version is the one with the highest number. */
export function toFile(raw: unknown): RemoteItem {
  const row = fileRow.parse(raw);
  const versions = (row.file_versions ?? []).map((version) => versionRow.parse(version));
  const newest = versions.reduce<(typeof versions)[number] | undefined>(
    (best, version) => (best && (best.number ?? 0) >= (version.number ?? 0) ? best : version),
    undefined,
  );
  const fallback = { size: row.size ?? 0, createdAt: row.created_at ?? row.updated_at ?? 0 };
  return item(row, 'file', newest && versionOf(newest, fallback), row);
}

/** Every version of a file, as `/files/{id}` lists them. */
export function toVersions(raw: unknown): RemoteVersion[] {
  const row = fileRow.parse(raw);
  const fallback = { size: row.size ?? 0, createdAt: row.created_at ?? row.updated_at ?? 0 };
  return (row.file_versions ?? []).map((version) => versionOf(versionRow.parse(version), fallback));
}

export function toIndexItem(raw: unknown): RemoteItem {
  const row = indexRow.parse(raw);
  const isFile = row.document_type ? !/folder/i.test(row.document_type) : row.file != null;
  if (!isFile) return item(row, 'folder');
  const fallback = { size: 0, createdAt: row.created_at ?? row.updated_at ?? 0 };
  const current = row.file?.current_version;
  return item(row, 'file', current ? versionOf(current, fallback) : undefined, row.file);
}

/** Converts row by row; an invalid row is reported and the others are still converted. */
export function convertRows<T>(rows: readonly unknown[], convert: (row: unknown) => T): { items: T[]; bad: BadRow[] } {
  const items: T[] = [];
  const bad: BadRow[] = [];
  for (const row of rows) {
    try {
      items.push(convert(row));
    } catch (error) {
      bad.push({ id: idOf(row), problem: problemOf(error) });
    }
  }
  return { items, bad };
}

function idOf(row: unknown): number | undefined {
  const parsed = id.safeParse((row as { id?: unknown } | null)?.id);
  return parsed.success ? parsed.data : undefined;
}

const problemOf = (error: unknown): string =>
  error instanceof z.ZodError
    ? oneLine(error.issues.map((issue) => `${issue.path.join('.') || 'row'}: ${issue.message}`).join('; '))
    : error instanceof SyntaxError
      ? 'it is not JSON'
      : oneLine(String(error));

/** The JSON of a reply. @throws Failure `bad-reply` */
export function parseJson(body: Uint8Array, host: string, call: string): unknown {
  try {
    return whole(body);
  } catch (error) {
    throw new Failure('bad-reply', { host, call, why: 'it is not JSON' }, error);
  }
}

/** The rows of a listing: a bare array (v1), or `{data: […]}` (v2). @throws Failure `bad-reply` */
export function rowsOf(value: unknown, host: string, call: string): readonly unknown[] {
  const rows = Array.isArray(value) ? value : (value as { data?: unknown } | null)?.data;
  if (!Array.isArray(rows)) throw new Failure('bad-reply', { host, call, why: 'it is not a list' });
  return rows;
}

/**
 * The items of one page of the flat index. Pure, so that a worker thread can do it.
 * @throws Failure `bad-reply` if the body is not a list at all
 */
export function parseIndexPage(body: Uint8Array): { items: RemoteItem[]; bad: BadRow[] } {
  const call = 'GET /rest/v1.0/projects/documents';
  return convertRows(rowsOf(parseJson(body, 'Procore', call), 'Procore', call), toIndexItem);
}
