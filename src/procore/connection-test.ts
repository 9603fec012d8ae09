import { Failure, type FailureCode, isFailure } from '../base/errors.js';
import { asCompanyId, type CompanyId, type ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { Connection } from '../connections/connection.js';
import type { Company, ProcoreAccount, ProcoreProject } from './accounts.js';
import type { ProcoreClient } from './client.js';
import { companyOf } from './session.js';

/** Permission of the account for the Documents tool of a project. `unknown`: not tested, to save calls. */
export type DocumentsAccess = 'none' | 'read' | 'write' | 'unknown';

export interface ProjectRights {
  readonly id: ProjectId;
  readonly name: string;
  readonly company: CompanyId;
  readonly access: DocumentsAccess;
  /** Why there is no access, in one line. */
  readonly why: string | undefined;
  /** What must be granted for access. */
  readonly missing: 'app' | 'project' | 'tool' | undefined;
}

export interface CompanyAccess extends Company {
  /** Why the company's projects are not visible, in one line. */
  readonly why: string | undefined;
}

export interface ConnectionTest {
  readonly account: ProcoreAccount;
  readonly companies: readonly CompanyAccess[];
  readonly projects: readonly ProjectRights[];
}

/** Maximum number of projects whose Documents tool is tested, one call each; if there are more, none is tested. */
const MOST_PROBED = 20;
const MOST_COMPANIES = 20;

/**
 * Signs in and determines the account (1 call), its companies (1), their projects (1 for each company), and access to
 * the Documents tool of up to 20 projects (1 each; only of the bound project of a bound connection).
 * @throws Failure as the client does: `sign-in-refused`, `company-needed`, `app-not-installed`, `no-such-project`, …
 */
export async function testConnection(
  connection: Connection,
  client: ProcoreClient,
  options: CallOptions,
): Promise<ConnectionTest> {
  const account = await client.me(options);
  const listed = (await companiesOf(connection, client, options)).slice(0, MOST_COMPANIES);
  const companies: CompanyAccess[] = [];
  const projects: Listed[] = [];
  for (const company of listed) {
    let why: string | undefined;
    try {
      for await (const page of client.projects(company.id, options))
        projects.push(...page.map((project) => ({ project, company: company.id })));
    } catch (error) {
      // Of several companies only one may have the app installed.
      if (listed.length === 1 || !isFailure(error) || error.httpStatus !== 403) throw error;
      why = error.line;
    }
    companies.push({ ...company, why });
  }
  if (connection.project !== undefined) return { account, companies, projects: [await boundProject()] };
  const probe = projects.length <= MOST_PROBED;
  const seen: ProjectRights[] = [];
  for (const one of projects) seen.push(await look(one, probe));
  return { account, companies, projects: seen };

  async function look({ project, company }: Listed, probed: boolean): Promise<ProjectRights> {
    const result = probed ? await probeAccess(client, project.id, options) : NOT_PROBED;
    return { id: project.id, name: project.name, company, ...result };
  }

  /** A bound project that is not listed is requested anyway: the reply shows what is missing. */
  async function boundProject(): Promise<ProjectRights> {
    const id = connection.project!;
    const listed = projects.find(({ project }) => project.id === id);
    if (listed) return look(listed, true);
    try {
      const { readOnly, name } = await client.rootOnly(id, options);
      const company = companyOf({ ...connection, companies });
      return { id, name, company, access: readOnly ? 'read' : 'write', why: undefined, missing: undefined };
    } catch (error) {
      if (isFailure(error, 'gone')) throw new Failure('no-such-project', { name: connection.name, project: id });
      throw error;
    }
  }
}

interface Listed {
  readonly project: ProcoreProject;
  readonly company: CompanyId;
}

const NOT_PROBED = { access: 'unknown', why: undefined, missing: undefined } as const;

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
): Promise<Pick<ProjectRights, 'access' | 'why' | 'missing'>> {
  try {
    const { readOnly } = await client.rootOnly(project, options);
    return { access: readOnly ? 'read' : 'write', why: undefined, missing: undefined };
  } catch (error) {
    if (!isFailure(error) || (error.httpStatus !== 403 && error.code !== 'gone')) throw error;
    const missing = MISSING[error.code] ?? 'tool';
    return { access: 'none', why: error.line, missing };
  }
}

const MISSING: Partial<Record<FailureCode, ProjectRights['missing']>> = {
  'app-not-installed': 'app',
  'project-not-permitted': 'project',
  'tool-not-permitted': 'tool',
};
