import { Failure } from '../../base/errors.js';
import type { Connection } from '../../connections/connection.js';
import { errorTexts } from '../reply-error.js';
import type { Caller } from './caller.js';
import { asObject, type Evidence, type Json, listOf, type ProbedReply, type ProbeStep, updatedOf } from './evidence.js';

/** The project under test, and the folder in it where writing is allowed. */
export interface ProbedProject {
  readonly company: number;
  readonly project: number;
  readonly folder: number;
}

export interface WantedReading {
  /** Id or name; undefined: the connection's own, or else the first one that the account sees. */
  readonly project: string | undefined;
  /** Path of the folder to write in, from the project's root; undefined: nothing is written. */
  readonly folder: string | undefined;
}

/** Larger than every known maximum. */
const TOO_MANY = 10_001;

/** Rows a page of the list of projects: every server permits at least this many. */
const LIST_PAGE = 100;

/** The documented recommendation, used where a refusal does not name the maximum. */
const SAFE = 2000;

/**
 * Answers all facts that need no writes: 10 to 13 calls. Undefined if no project is accessible.
 * @throws Failure `no-such-project`, `company-needed`, `usage`, `no-such-item`, `not-permitted`, or as the caller does
 */
export async function readFacts(
  caller: Caller,
  evidence: Evidence,
  connection: Connection,
  wanted: WantedReading,
): Promise<ProbedProject | undefined> {
  const company = await findCompany(caller, connection);
  const project = await findProject(caller, connection, company, wanted);
  if (project === undefined) return undefined;
  evidence.project = project;
  const root = await caller.call('root', { path: `/rest/v1.0/folders?project_id=${project}`, company });
  if (!root.ok) return undefined;
  const folder = await findFolder(caller, root, company, project, wanted.folder);

  const v1 = `/rest/v1.0/projects/${project}/documents`;
  const v2 = `/rest/v2.0/companies/${company}/projects/${project}/documents`;
  const old = await caller.call('index-v1', { path: `${v1}?per_page=1`, company });
  await caller.call('index-v2', { path: `${v2}?per_page=2000`, company });
  const documents = old.ok ? v1 : v2;
  const index = (step: ProbeStep, query: string): Promise<ProbedReply> =>
    caller.call(step, { path: `${documents}?${query.replaceAll('[', '%5B').replaceAll(']', '%5D')}`, company });

  const plain = await index('index', 'view=extended');
  const url = someUrl([...plain.rows, ...listOf(root.item.files)]);
  if (url !== undefined) await caller.look(url);
  await lookAtPages(index);
  const now = Math.floor(caller.clock.now() / 1000);
  await index('open-range', `per_page=1&filters[updated_at]=${stamp((plain.date || now) - 3600)}...`);
  await lookAtRange(index, plain);
  return { company, project, folder };
}

/** Requests `/companies` without the company header: the reply may answer three facts. */
async function findCompany(caller: Caller, connection: Connection): Promise<number> {
  const companies = await caller.call('companies', { path: '/rest/v1.0/companies', company: undefined });
  const ids = companies.ok ? companies.rows.map((row) => Number(row.id)) : [];
  const known = connection.companies?.map((one) => one.id) ?? ids;
  const company = connection.company ?? (known.length === 1 ? known[0] : undefined);
  if (company === undefined || !Number.isSafeInteger(company)) throw new Failure('company-needed');
  // One refusal is needed to learn the form of refusals.
  if (companies.ok)
    await caller.call('no-company', {
      path: `/rest/v1.0/projects?company_id=${company}&per_page=1`,
      company: undefined,
    });
  return company;
}

async function findProject(
  caller: Caller,
  connection: Connection,
  company: number,
  wanted: WantedReading,
): Promise<number | undefined> {
  const path = `/rest/v1.0/projects?company_id=${company}&per_page=${LIST_PAGE}`;
  const projects = await caller.call('projects', { path, company });
  if (!projects.ok) return undefined;
  // If the list has more than one page, the projects that the last connection test saw count as well.
  const listed = new Set(projects.rows.map((row) => Number(row.id)));
  const remembered = connection.projects?.filter((one) => one.company === company && !listed.has(one.id)) ?? [];
  const rows: readonly Json[] = projects.rows.length < LIST_PAGE ? projects.rows : [...projects.rows, ...remembered];
  const text = wanted.project ?? connection.project?.toString();
  if (text !== undefined) {
    const matches = rows.filter((row) => String(row.id) === text || row.name === text);
    if (matches.length > 1)
      throw new Failure('ambiguous-project', {
        count: matches.length,
        project: text,
        ids: matches.map((row) => String(row.id)).join(', '),
      });
    if (matches[0]) return Number(matches[0].id);
    // A project that is not listed may exist without permission: that is an answer, too.
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new Failure('no-such-project', { name: connection.name, project: text });
  }
  if (wanted.folder !== undefined && rows.length > 1)
    throw new Failure('usage', {
      what: 'several projects can be seen: name the one to write in, as CONNECTION:PROJECT',
    });
  return rows[0] === undefined ? undefined : Number(rows[0].id);
}

async function findFolder(
  caller: Caller,
  root: ProbedReply,
  company: number,
  project: number,
  path = '',
): Promise<number> {
  let at: Json = root.item;
  const names = path.split('/').filter((name) => name !== '');
  for (const [depth, name] of names.entries()) {
    const found = listOf(at.folders).find((row) => row.name === name && row.is_deleted !== true);
    if (!found) throw new Failure('no-such-item', { path: `/${names.slice(0, depth + 1).join('/')}` });
    at = found;
    if (depth === names.length - 1) break;
    const next = await caller.call('path', { path: `/rest/v1.0/folders/${found.id}?project_id=${project}`, company });
    at = next.item;
  }
  if (at.is_recycle_bin === true || at.read_only === true)
    throw new Failure('not-permitted', { what: `writing in ${path}`, hint: 'name another folder' });
  return Number(at.id);
}

/** Requests the largest page, and the same page twice: folders only, which have the same sort key. */
async function lookAtPages(index: (step: ProbeStep, query: string) => Promise<ProbedReply>): Promise<void> {
  const folders = 'sort=document_type&filters[document_type]=folder';
  const beyond = await index('page-beyond', `${folders}&per_page=${TOO_MANY}`);
  let perPage = beyond.ok ? (beyond.perPage ?? SAFE) : Math.min(maximumIn(beyond) ?? SAFE, SAFE);
  if (!beyond.ok) await index('page-allowed', `${folders}&per_page=${perPage}`);
  perPage = Math.min(perPage, SAFE);
  const tie = await index('tie', `${folders}&per_page=${perPage}&filters[procorefs_probe]=1`);
  if (tie.refused) await index('tie-again', `${folders}&per_page=${perPage}`);
}

/** Requests the `updated_at` range that ends with the second of a known row, with an unknown sort order. */
async function lookAtRange(
  index: (step: ProbeStep, query: string) => Promise<ProbedReply>,
  plain: ProbedReply,
): Promise<void> {
  const second = knownSecond(plain);
  if (second === undefined) return;
  const query = `per_page=100&filters[updated_at]=${stamp(second - 1)}...${stamp(second)}`;
  const seen = await index('range-end', `${query}&sort=procorefs_probe`);
  if (seen.refused) await index('range-end-again', query);
}

/** The newest change on the first page: rows of an import may all share an older one. */
export function knownSecond(plain: ProbedReply): number | undefined {
  const seconds = plain.ok ? plain.rows.flatMap((row) => updatedOf(row) ?? []) : [];
  return seconds.length === 0 ? undefined : Math.max(...seconds);
}

/** The maximum that a refusal of `per_page` or of a name's length states. */
export function maximumIn(seen: ProbedReply): number | undefined {
  const numbers = [
    ...Object.values(errorTexts(seen.json))
      .flat()
      .join(' ')
      .matchAll(/\d[\d,]*/g),
  ];
  const number = Number(numbers.at(-1)?.[0].replaceAll(',', ''));
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

/** The URL of a version with more than one byte. */
function someUrl(rows: readonly Json[]): string | undefined {
  for (const row of rows) {
    const version = asObject(asObject(row.file).current_version ?? listOf(row.file_versions)[0]);
    if (typeof version.url === 'string' && Number(version.size) > 1 && row.is_deleted !== true) return version.url;
  }
  return undefined;
}

export const stamp = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
