import { Failure, isFailure } from '../base/errors.js';
import { asCompanyId, type CompanyId, type ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { Connection } from '../connections/connection.js';
import type { Account, Company, Project } from './accounts.js';
import type { ProcoreClient } from './client.js';

/** What the account may do with the Documents tool of a project. `unknown`: not looked at, to save calls. */
export type Access = 'none' | 'read' | 'write' | 'unknown';

export interface ProjectAccess {
  readonly id: ProjectId;
  readonly name: string;
  readonly company: CompanyId;
  readonly access: Access;
  /** Why there is none, in one line. */
  readonly why: string | undefined;
}

export interface ConnectionTest {
  readonly account: Account;
  readonly companies: readonly Company[];
  readonly projects: readonly ProjectAccess[];
}

/** Projects whose Documents tool is looked at, one call each; of more, none is. */
const MOST_PROBED = 20;
const MOST_COMPANIES = 20;

/**
 * Signs in and looks around: who (1 call), companies (1), projects (1 a company), and up to 20 projects' Documents tool
 * (1 each; only the bound one of a bound connection).
 * @throws Failure as the client does: `sign-in-refused`, `company-needed`, `app-not-installed`, `no-such-project`, …
 */
export async function testConnection(
  connection: Connection,
  client: ProcoreClient,
  options: CallOptions,
): Promise<ConnectionTest> {
  const account = await client.me(options);
  const companies = await companiesOf(connection, client, options);
  const projects: { project: Project; company: CompanyId }[] = [];
  for (const { id: company } of companies.slice(0, MOST_COMPANIES)) {
    try {
      for await (const page of client.projects(company, options))
        projects.push(...page.map((project) => ({ project, company })));
    } catch (error) {
      // Of several companies the app may be installed in one alone.
      if (companies.length === 1 || !isFailure(error) || error.httpStatus !== 403) throw error;
    }
  }
  const wanted =
    connection.project === undefined ? projects : projects.filter(({ project }) => project.id === connection.project);
  if (connection.project !== undefined && wanted.length === 0)
    throw new Failure('no-such-project', { name: connection.name, project: connection.project });
  const probe = wanted.length <= MOST_PROBED;
  const seen: ProjectAccess[] = [];
  for (const { project, company } of wanted) {
    const result = probe ? await probeAccess(client, project.id, options) : { access: 'unknown' as const };
    seen.push({ id: project.id, name: project.name, company, why: undefined, ...result });
  }
  return { account, companies, projects: seen };
}

async function companiesOf(connection: Connection, client: ProcoreClient, options: CallOptions): Promise<Company[]> {
  const all: Company[] = [];
  for await (const page of client.companies(options)) all.push(...page);
  if (connection.company === undefined) return all;
  const found = all.filter((company) => company.id === connection.company);
  return found.length > 0 ? found : [{ id: asCompanyId(connection.company), name: '', active: true }];
}

async function probeAccess(
  client: ProcoreClient,
  project: ProjectId,
  options: CallOptions,
): Promise<{ access: Access; why?: string }> {
  try {
    const { readOnly } = await client.rootOnly(project, options);
    return { access: readOnly ? 'read' : 'write' };
  } catch (error) {
    if (isFailure(error) && (error.httpStatus === 403 || error.code === 'gone'))
      return { access: 'none', why: error.line };
    throw error;
  }
}
