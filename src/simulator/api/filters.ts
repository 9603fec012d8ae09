import { fieldError } from '../http/reply.js';
import type { Switches } from '../switches.js';

/** Seconds since the epoch, both ends included. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** Filters and sort order of the flat index. */
export interface IndexFilters {
  readonly sort: string;
  readonly descending: boolean;
  readonly updated?: TimeRange;
  readonly created?: TimeRange;
  readonly folder?: boolean;
  readonly folderIds?: readonly number[];
  readonly fileTypes?: readonly string[];
  readonly search?: string;
  readonly recycled?: boolean;
  readonly private?: boolean;
  readonly createdBy?: readonly number[];
}

const SORTS = ['id', 'name', 'updated_at', 'created_at', 'document_type', 'file_type', 'created_by_id', 'parent_id'];

/** Reads `sort` and `filters[…]`; throws a 400 for malformed values. */
export function readIndexQuery(parameters: URLSearchParams, switches: Switches): IndexFilters {
  const asked = parameters.get('sort') ?? switches.get('default-sort');
  let sort = asked.replace(/^-/, '');
  if (!SORTS.includes(sort)) {
    if (switches.is('unknown-sort', '400')) throw fieldError(400, 'sort', 'is not supported');
    sort = 'id';
  }
  const filters = collect(parameters);
  const query: { -readonly [Key in keyof IndexFilters]: IndexFilters[Key] } = {
    sort,
    descending: asked.startsWith('-'),
  };
  for (const [name, values] of filters) {
    const value = values[0] ?? '';
    switch (name) {
      case 'updated_at':
        query.updated = range(name, value, switches);
        break;
      case 'created_at':
        query.created = range(name, value, switches);
        break;
      case 'document_type':
        if (values.some((v) => v !== 'file' && v !== 'folder'))
          throw fieldError(400, name, 'is not included in the list');
        if (new Set(values).size === 1) query.folder = value === 'folder';
        break;
      case 'folder_id':
        query.folderIds = values.map((v) => wholeNumber(name, v));
        break;
      case 'file_type':
        query.fileTypes = values;
        break;
      case 'search':
        query.search = values.join(',').toLowerCase();
        break;
      case 'is_in_recycle_bin':
        query.recycled = truth(name, value);
        break;
      case 'private':
        query.private = truth(name, value);
        break;
      case 'created_by_id':
        query.createdBy = values.map((v) => wholeNumber(name, v));
        break;
      default:
        if (switches.is('unknown-filter', '400')) throw fieldError(400, `filters[${name}]`, 'is not supported');
    }
  }
  return query;
}

/** `filters[a]=1`, `filters[a][]=1&filters[a][]=2`, `filters[a]=1,2`, `filters[a]=[1,2]` and repetition. */
function collect(parameters: URLSearchParams): Map<string, string[]> {
  const filters = new Map<string, string[]>();
  for (const [key, value] of parameters) {
    const name = /^filters\[([^\]]*)\](\[\])?$/.exec(key)?.[1];
    if (name === undefined) continue;
    const parts = value.replace(/^\[(.*)\]$/, '$1').split(',');
    filters.set(name, [...(filters.get(name) ?? []), ...parts]);
  }
  return filters;
}

function range(name: string, value: string, switches: Switches): TimeRange {
  const parts = value.replaceAll('"', '').split('...');
  if (parts.length === 1) return day(name, parts[0]!);
  if (parts.length > 2 || (parts[0] === '' && parts[1] === '')) throw fieldError(400, name, 'is not a valid range');
  const [from, to] = parts as [string, string];
  if ((from === '' || to === '') && switches.is('open-range', '400')) {
    throw fieldError(400, name, 'is not a valid range');
  }
  const end = to === '' ? Number.MAX_SAFE_INTEGER : day(name, to).to;
  return {
    from: from === '' ? 0 : day(name, from).from,
    to: switches.is('range-end', 'exclusive') && to !== '' ? end - 1 : end,
  };
}

/** The range of a time stamp is its second; the range of a date is its day (UTC). */
function day(name: string, text: string): TimeRange {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(text);
  const ms = isDay || isTime ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw fieldError(400, name, 'is not a valid date');
  const from = Math.ceil(ms / 1000);
  return { from, to: isDay ? from + 86_399 : Math.floor(ms / 1000) };
}

function truth(name: string, text: string): boolean {
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw fieldError(400, name, 'must be true or false');
}

export function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,16}$/.test(text)) throw fieldError(400, name, 'must be an integer');
  return Number(text);
}
