import { Failure } from '../base/errors.js';
import { asCompanyId, asProjectId, type CompanyId, type ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { Connection } from '../connections/connection.js';
import type { ProcoreProject } from './accounts.js';
import type { ProcoreClient } from './client.js';
import { companyOf } from './session.js';

export interface ResolvedProject {
  readonly id: ProjectId;
  readonly name: string;
  readonly company: CompanyId;
}

type Known = NonNullable<Connection['projects']>;

/** Every project that the connection's account sees: 1 call for each 100 of a company. @throws Failure as the client does */
export async function listProjects(
  connection: Connection,
  client: ProcoreClient,
  options: CallOptions,
): Promise<(ProcoreProject & { readonly company: CompanyId })[]> {
  const companies = connection.companies?.map(({ id }) => asCompanyId(id)) ?? [];
  const listed: (ProcoreProject & { readonly company: CompanyId })[] = [];
  for (const company of connection.company === undefined && companies.length > 1 ? companies : [companyOf(connection)])
    for await (const page of client.projects(company, options))
      listed.push(...page.map((project) => ({ ...project, company })));
  return listed;
}

/**
 * Finds the project with an id or a name that a person entered: in the connection's stored list (0 calls), else in a
 * new listing (1 call a company), which `remember` may store.
 * @throws Failure `no-such-project`, `ambiguous-project`, or as the client does
 */
export async function resolveProject(
  connection: Connection,
  nameOrId: string,
  client: ProcoreClient,
  options: CallOptions,
  remember?: (projects: Known) => void,
): Promise<ResolvedProject> {
  const remembered = match(connection, nameOrId, connection.projects ?? []);
  if (remembered) return remembered;
  const listed = await listProjects(connection, client, options);
  const fresh = listed.map(({ id, name, company }) => ({ id: id as number, name, company: company as number }));
  remember?.(fresh);
  const found = match(connection, nameOrId, fresh);
  if (found) return found;
  throw new Failure('no-such-project', { name: connection.name, project: nameOrId });
}

function match(connection: Connection, nameOrId: string, projects: Known): ResolvedProject | undefined {
  const reachable =
    connection.project === undefined ? projects : projects.filter((project) => project.id === connection.project);
  const byId = reachable.find((project) => String(project.id) === nameOrId);
  const byName = reachable.filter((project) => project.name === nameOrId);
  if (!byId && byName.length > 1)
    throw new Failure('ambiguous-project', {
      count: byName.length,
      project: nameOrId,
      ids: byName.map((project) => project.id).join(', '),
    });
  const found = byId ?? byName[0];
  return found && { id: asProjectId(found.id), name: found.name, company: asCompanyId(found.company) };
}
