import { encodingOf } from '../transport/body.js';
import { CAME_AS } from '../transport/compression.js';
import {
  asObject,
  type Evidence,
  idOf,
  type Json,
  listOf,
  nameSeen,
  type ProbedReply,
  type ProbeStep,
  updatedOf,
} from './evidence.js';
import { maximumIn } from './reading.js';

/** Undefined: the replies do not answer the fact. */
export type ProbeAnswer = string | undefined;
type Answered = (evidence: Evidence) => ProbeAnswer;

/** `done` if the call succeeded, `refused` if the server refused its content. */
export const either =
  (step: ProbeStep, done: string, refused: string): Answered =>
  ({ seen }) => {
    const one = seen[step];
    if (!one) return undefined;
    return one.ok ? done : one.refused ? refused : undefined;
  };

/** The same for a call that, after a refusal, was repeated without the parameter in question. */
export const unlessRepeated =
  (step: ProbeStep, again: ProbeStep): Answered =>
  ({ seen }) => {
    if (seen[step]?.ok) return 'ignored';
    return seen[again]?.ok ? String(seen[step]?.status) : undefined;
  };

/** Bytes of a reply that any server with compression would compress. */
const WORTH_IT_BYTES = 4096;

/** The content coding of the replies to these steps, at least one of which must be long. */
export const compressionUsed =
  (steps: readonly ProbeStep[]): Answered =>
  ({ seen }) => {
    const replies = steps.flatMap((step) => seen[step] ?? []);
    if (
      replies.some(
        ({ headers }) => encodingOf(headers['content-encoding'] ?? String(headers[CAME_AS] ?? '')) === 'gzip',
      )
    )
      return 'gzip';
    return replies.some(({ text }) => text.length >= WORTH_IT_BYTES) ? 'none' : undefined;
  };

/** The status with which the call was refused. */
export const refusalStatus =
  (...steps: readonly ProbeStep[]): Answered =>
  ({ seen }) => {
    const one = steps.map((step) => seen[step]).find((candidate) => candidate);
    if (!one) return undefined;
    return one.ok ? 'accepted' : String(one.status);
  };

/** Whether `updated_at` of the item in the reply is later than a server time. */
export const bumpedReply =
  (step: ProbeStep, since: 'made' | 'changed'): Answered =>
  (evidence) =>
    evidence.seen[step]?.ok ? bumped(evidence.seen[step].item, evidence[since]) : undefined;

/** The same for an item in the list of changes. */
export const bumpedRow =
  (item: ProbeStep): Answered =>
  (evidence) =>
    bumped(changedRow(evidence, item), evidence.made);

function bumped(row: Json | undefined, since: number | undefined): ProbeAnswer {
  const updated = updatedOf(row);
  if (updated === undefined || since === undefined) return undefined;
  return updated > since ? 'yes' : 'no';
}

/** The row of an item that a step created: in the list of changes, else in that of the recycle bin. */
export function changedRow({ seen }: Evidence, item: ProbeStep): Json | undefined {
  const id = idOf(seen[item]);
  const rows = [...(seen.changes?.rows ?? []), ...(seen['changes-bin']?.rows ?? [])];
  return id === undefined ? undefined : rows.find((row) => Number(row.id) === id && row.document_type === 'folder');
}

/** How the server returned a name. */
export const cleaned =
  (step: ProbeStep, sent: string, changed: string): Answered =>
  ({ seen }) => {
    if (seen[step]?.refused) return 'refused';
    const name = nameSeen(seen[step]);
    if (name === undefined) return undefined;
    return name === sent ? 'kept' : changed;
  };

const withoutCompany = ({ seen }: Evidence): ProbedReply | undefined => {
  const refused = seen.companies && !seen.companies.ok ? seen.companies : seen['no-company'];
  return refused && !refused.ok && /procore-company-id/i.test(refused.text) ? refused : undefined;
};

export const companyHeaderStatus: Answered = (evidence) => withoutCompany(evidence)?.status.toString();

export const companyHeaderOnCompanies: Answered = (evidence) => {
  // The documentation says that a person's sign-in needs none.
  if (!evidence.seen.companies || evidence.grant !== 'client-credentials') return undefined;
  if (evidence.seen.companies.ok) return 'optional';
  return withoutCompany(evidence) ? 'required' : undefined;
};

export const errorsForm: Answered = (evidence) => {
  const refused = withoutCompany(evidence);
  if (!refused) return undefined;
  if (refused.json === undefined) return 'text';
  const { errors, error, message } = refused.item;
  if (typeof errors === 'string') return 'string';
  if (Array.isArray(errors)) return 'array';
  if (errors !== undefined) return 'map';
  return error !== undefined ? 'error' : message !== undefined ? 'message' : undefined;
};

export const appConnected: Answered = ({ seen }) => {
  if (!seen.projects) return undefined;
  if (seen.projects.ok) return 'yes';
  return /not connected to this company/i.test(seen.projects.text) ? 'no' : undefined;
};

export const projectAccess: Answered = ({ seen, project }) => {
  if (seen.scratch?.ok) return 'write';
  if (seen.scratch?.status === 403 || seen.root?.item.read_only === true) return 'read';
  if (!seen.projects?.ok || seen.root?.status !== 403) return undefined;
  return seen.projects.rows.some((row) => Number(row.id) === project) ? 'tool-off' : 'not-permitted';
};

export const projectNames: Answered = ({ seen }) => {
  if (!seen.projects?.ok) return undefined;
  const names = seen.projects.rows.map((row) => row.name);
  if (names.length < 2) return undefined;
  return new Set(names).size < names.length ? 'same' : 'unique';
};

export const header =
  (name: 'total' | 'link'): Answered =>
  ({ seen }) =>
    seen.index?.ok ? (seen.index.headers[name] === undefined ? 'no' : 'yes') : undefined;

/** The maximum of per_page, by a page or a refusal of a greater one. */
export const mostRows =
  (step: ProbeStep): Answered =>
  ({ seen }) => {
    const beyond = seen[step];
    return (beyond?.ok ? beyond.perPage : beyond && maximumIn(beyond))?.toString();
  };

export const defaultPerPage: Answered = ({ seen }) => {
  if (!seen.index?.ok) return undefined;
  const { perPage, headers, rows } = seen.index;
  if (perPage !== undefined) return String(perPage);
  return Number(headers.total) > rows.length ? String(rows.length) : undefined;
};

/** Candidates for the default order, each as a test for a pair of rows that contradicts it. */
const ORDERS: readonly (readonly [name: string, wrong: (first: Json, second: Json) => boolean])[] = [
  ['id', (a, b) => Number(a.id) > Number(b.id)],
  ['-id', (a, b) => Number(a.id) < Number(b.id)],
  ['name', (a, b) => String(a.name) > String(b.name)],
  ['name without case', (a, b) => String(a.name).toLowerCase() > String(b.name).toLowerCase()],
  ['updated_at', (a, b) => (updatedOf(a) ?? 0) > (updatedOf(b) ?? 0)],
  ['-updated_at', (a, b) => (updatedOf(a) ?? 0) < (updatedOf(b) ?? 0)],
];

export const defaultSort: Answered = ({ seen }) => {
  const rows = seen.index?.ok ? seen.index.rows : [];
  if (rows.length < 5) return undefined;
  const fits = ORDERS.filter(([, wrong]) => rows.every((row, i) => i === 0 || !wrong(rows[i - 1]!, row)));
  return fits.length === 1 || (fits.length === 2 && fits[0]![0] === 'name') ? fits[0]![0] : undefined;
};

export const otherPart: Answered = ({ seen }) => {
  const rows = seen.index?.ok ? seen.index.rows : [];
  const row = rows.find((one) => one.document_type === 'folder' || one.document_type === 'file');
  if (!row) return undefined;
  const other = row[row.document_type === 'folder' ? 'file' : 'children'];
  return other === undefined ? 'absent' : other === null ? 'null' : undefined;
};

const folderPage = ({ seen }: Evidence): ProbedReply | undefined =>
  seen['page-beyond']?.ok ? seen['page-beyond'] : seen['page-allowed'];

/** Whether a folder of the root listing is a row of the index. */
export const inIndex =
  (which: 'root' | 'bin'): Answered =>
  (evidence) => {
    const page = folderPage(evidence);
    const { root } = evidence.seen;
    if (!page?.ok || !root?.ok) return undefined;
    const id = which === 'root' ? root.item.id : listOf(root.item.folders).find((row) => row.is_recycle_bin)?.id;
    if (id === undefined) return undefined;
    if (page.rows.some((row) => Number(row.id) === Number(id))) return 'yes';
    // Absence from the first of several pages proves nothing.
    return page.perPage !== undefined && page.rows.length < page.perPage ? 'no' : undefined;
  };

export const equalKeys: Answered = (evidence) => {
  const again = evidence.seen.tie?.ok ? evidence.seen.tie : evidence.seen['tie-again'];
  const page = folderPage(evidence);
  if (!page?.ok || !again?.ok) return undefined;
  const length = Math.min(page.rows.length, again.rows.length);
  const [first, second] = [page, again].map((one) => one.rows.slice(0, length).map((row) => Number(row.id)));
  if (length < 3) return undefined;
  if (first!.some((id, i) => id !== second![i])) return 'unstable';
  return first!.every((id, i) => i === 0 || id > first![i - 1]!) ? 'by-id' : 'stable';
};

export const rangeEnd =
  (second: (plain: ProbedReply) => number | undefined): Answered =>
  ({ seen }) => {
    const known = seen.index && second(seen.index);
    const range = seen['range-end']?.ok ? seen['range-end'] : seen['range-end-again'];
    if (known === undefined || !range?.ok) return undefined;
    return range.rows.some((row) => updatedOf(row) === known) ? 'inclusive' : 'exclusive';
  };

export const urlForm: Answered = ({ storage }) => {
  if (!storage) return undefined;
  return storage.hops === 0 ? 'signed' : storage.hops === 1 ? 'redirect' : `redirects-${storage.hops}`;
};

export const storageRange: Answered = ({ storage }) =>
  storage?.status === 206 ? 'supported' : storage?.status === 200 ? 'ignored' : undefined;

export const storageEtag: Answered = ({ storage }) =>
  storage && storage.status < 300 ? (storage.etag ? 'present' : 'absent') : undefined;

/** Ids of a folder, a file and a folder created in this order. */
export const idSpace: Answered = ({ seen }) => {
  const later = (['name-characters', 'name-edges', 'name-case', 'name-clash', 'decomposed'] as const).map((step) =>
    idOf(seen[step]),
  );
  const [before, file, after] = [idOf(seen.target), idOf(seen.file), later.find((id) => id !== undefined)];
  if (before === undefined || file === undefined || after === undefined) return undefined;
  return before < file && file < after ? 'shared' : 'separate';
};

export const uploadReuse: Answered = ({ seen: { file, reuse } }) => {
  if (!file?.ok || !reuse) return undefined;
  // A server may answer for a used upload as for an unknown one.
  return reuse.ok ? 'accepted' : reuse.refused || reuse.status === 404 ? 'refused' : undefined;
};

export const emptyFile: Answered = ({ seen, emptyStatus }) => {
  if (seen['announce-empty']?.refused || (emptyStatus ?? 0) >= 400 || seen.empty?.refused) return 'refused';
  return seen.empty?.ok ? 'accepted' : undefined;
};

export const executables: Answered = ({ seen }) => {
  if (seen.program?.ok) return 'accepted';
  return seen.program && seen['program-again']?.ok ? 'refused' : undefined;
};

export const versionNameAnswer: Answered = ({ seen }) => {
  const name = seen.version?.ok ? nameSeen(seen['check-out']) : undefined;
  return name === undefined ? undefined : name === 'Version.txt' ? 'renames' : 'ignored';
};

export const versionOrder: Answered = ({ seen }) => {
  const numbers = listOf(seen['check-out']?.item.file_versions).map((row) => Number(row.number));
  if (numbers.length < 2) return undefined;
  return numbers[0]! < numbers.at(-1)! ? 'oldest-first' : 'newest-first';
};

export const longestName =
  (maximum: (seen: ProbedReply) => number | undefined): Answered =>
  ({ seen }) => {
    const long = seen['name-256'];
    if (long?.ok) return nameSeen(long)?.length === 256 ? 'unlimited' : String(nameSeen(long)?.length);
    if (!long?.refused) return undefined;
    if (maximum(long) !== undefined) return String(maximum(long));
    return seen['name-255']?.ok ? '255' : seen['name-150']?.ok ? '150' : undefined;
  };

export const recycledInIndex: Answered = ({ seen }) => {
  const id = idOf(seen.folder);
  const has = (step: ProbeStep) => seen[step]?.rows.some((row) => Number(row.id) === id);
  if (id === undefined || !seen.changes?.ok) return undefined;
  return has('changes') ? 'included' : has('changes-bin') ? 'excluded' : undefined;
};

export const recycledParent: Answered = (evidence) => {
  const parent = changedRow(evidence, 'folder')?.parent_id;
  if (parent === undefined) return undefined;
  return Number(parent) === idOf(evidence.seen.scratch) ? 'kept' : 'bin';
};

export const recycledSubtree: Answered = (evidence) => {
  const deleted = changedRow(evidence, 'child')?.is_deleted;
  return typeof deleted === 'boolean' ? (deleted ? 'deleted' : 'kept') : undefined;
};

/** Whether the recycle bin filter shows the items below the deleted folder. */
export const recycledFilter: Answered = ({ seen }) => {
  const rows = seen['changes-bin']?.rows;
  const has = (step: ProbeStep) => rows?.some((row) => Number(row.id) === idOf(seen[step])) ?? false;
  if (idOf(seen.child) === undefined || !has('folder')) return undefined;
  return has('child') ? 'all' : 'tops';
};

/** The deleted folder contained a folder. */
export const deleteReply: Answered = ({ seen }) => {
  const reply = seen['delete-folder'];
  if (!reply?.ok || idOf(seen.child) === undefined) return undefined;
  if (idOf(reply) === undefined) return 'nothing';
  return reply.item.has_children === true ? 'item' : 'childless';
};

const listed = ({ seen }: Evidence, key: 'folders' | 'files', id: number | undefined): Json | undefined =>
  id === undefined ? undefined : listOf(seen.listing?.item[key]).find((row) => Number(row.id) === id);

export const recycledInFolders: Answered = (evidence) => {
  const { seen } = evidence;
  if (!seen['delete-file']?.ok || !seen.listing?.ok) return undefined;
  return listed(evidence, 'files', idOf(seen.file)) ? 'included' : 'excluded';
};

export const recycledGet: Answered = ({ seen }) => seen['get-recycled']?.status.toString();

export const privateItems: Answered = (evidence) => {
  const { permission, listing } = evidence.seen;
  if (!permission?.ok || permission.item.private !== true || !listing?.ok) return undefined;
  return listed(evidence, 'folders', idOf(permission)) ? 'visible' : 'hidden';
};

export const visiblePrivateItems: Answered = (evidence) => {
  const rows = [evidence.seen.index, folderPage(evidence)].flatMap((page) => (page?.ok ? page.rows : []));
  return rows.some((row) => row.private === true) ? 'visible' : undefined;
};

export const checkOutExpiry: Answered = (evidence) => {
  const before = evidence.seen['check-out'];
  const after = listed(evidence, 'files', idOf(before));
  const until = Date.parse(String(before?.item.checked_out_until ?? '')) / 1000;
  if (!after || !asObject(before?.item.checked_out_by).id || !((evidence.seen.listing?.date ?? 0) >= until))
    return undefined;
  return after.checked_out_by === null || after.checked_out_by === undefined ? 'ends' : 'stays';
};

export const restored: Answered = ({ seen }) => {
  if (!seen.restore) return undefined;
  return seen.restore.ok && seen.restore.item.is_deleted !== true ? 'by-parent-id' : 'refused';
};
