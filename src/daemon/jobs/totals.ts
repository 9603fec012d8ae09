import { Failure } from '../../base/errors.js';
import type { Connection } from '../../connections/connection.js';
import { type Connections, isTarget } from '../../connections/store.js';
import { openConnection } from '../../endpoints/connection.js';
import { NOTHING, sumOf, type Totals, totalsOf } from '../../jobs/analyze/totals.js';
import { TargetEndpoint } from '../../jobs/endpoint.js';
import { projectKey } from '../../project/project.js';
import type { Projects } from '../../project/projects.js';
import type { StateFolder } from '../../project/state-folder.js';
import type { ConnectionTotals } from '../../server/parts.js';
import { askOwner, crawledEndpoint } from './analyze.js';
import { type End, endOf } from './places.js';

export interface TotalsContext {
  readonly state: StateFolder;
  readonly projects: Projects;
  readonly connections: Connections;
  /** Whether a project that is not mirrored may be crawled; if not, the failure is `role-too-low`. */
  readonly mayCrawl: boolean;
}

type ProjectEnd = End & { readonly kind: 'project' };

/**
 * The totals of everything below a folder of a connection. A target is walked. A project is crawled if it never was;
 * after that, it costs no API call. At the top of a connection to a whole company, only the projects mirrored here are
 * counted: no API call.
 * @throws Failure as opening the place does
 */
export async function connectionTotals(
  context: TotalsContext,
  idOrName: string,
  path: string,
  signal: AbortSignal,
): Promise<ConnectionTotals> {
  const { connections } = context;
  const connection = connections.find(idOrName);
  const isCompany = !isTarget(connection) && connection.project === undefined && path.split('/').join('') === '';
  if (isCompany) return companyTotals(context, connection, signal);
  const end = endOf(connections, { connection: { id: connection.id }, target: { path } });
  if (end.kind === 'project') return { totals: await projectTotals(context, end, signal) };
  const target = await openConnection(connections, end.connection, { path: end.path, mayWrite: false, signal });
  try {
    return { totals: await totalsOf(new TargetEndpoint(target), signal) };
  } finally {
    await target.close();
  }
}

async function companyTotals(
  context: TotalsContext,
  connection: Connection,
  signal: AbortSignal,
): Promise<ConnectionTotals> {
  const known = connection.projects ?? [];
  let totals = NOTHING;
  let counted = 0;
  for (const { id } of known) {
    if (!context.state.hasProject(projectKey({ connection, project: { id } }))) continue;
    const source = { connection: connection.id, project: String(id), folder: '' };
    totals = sumOf(totals, await projectTotals(context, { kind: 'project', connection, source }, signal));
    counted++;
  }
  return { totals, projects: { counted, unknown: known.length - counted } };
}

/** The totals of a project, counted by the process that owns it. */
async function projectTotals(
  { state, projects, connections, mayCrawl }: TotalsContext,
  end: ProjectEnd,
  signal: AbortSignal,
): Promise<Totals> {
  const { connection, source } = end;
  try {
    const lease = await projects.acquire(source);
    try {
      const { project } = lease;
      await lease.open(signal);
      if (!project.mirror.view.crawlDone && !mayCrawl) throw new Failure('role-too-low', { role: 'manage' });
      if (!project.mirror.view.crawlDone) lease.start();
      return await totalsOf(await crawledEndpoint(project, source.folder, 'totals', false, signal), signal);
    } finally {
      await lease.release();
    }
  } catch (error) {
    const known = connections.get(connection.id).projects ?? [];
    const project = known.find(({ id, name }) => String(id) === source.project || name === source.project);
    const key = projectKey({ connection, project: { id: project?.id ?? Number(source.project) } });
    const found = await askOwner(error, state.socket(key), source.folder, { platform: undefined, most: 0, signal });
    return { ...found, unreadable: found.unreadable.count };
  }
}
