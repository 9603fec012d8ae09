import { lineOf } from '../base/bandwidth-option.js';
import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { OptionValues } from '../base/options.js';
import type { Windows } from '../budget/window-state.js';
import type { Connection } from '../connections/connection.js';
import { Connections } from '../connections/store.js';
import type { Item } from '../mirror/database/view.js';
import { type ResolvedProject, resolveProject } from '../procore/resolve-project.js';
import { Session } from '../procore/session.js';
import type { Source } from './source.js';
import type { StateFolder } from './state-folder.js';

/** A session with one of its projects. */
export interface ProjectSession {
  readonly session: Session;
  readonly connection: Connection;
  readonly project: ResolvedProject;
  /** URL of an item for a browser. */
  webUrl(item: Item): string;
  /** Closes the session, if it belongs to this project only. */
  close(): Promise<void>;
}

/**
 * @param windows only for tests
 * @throws Failure `no-such-connection`, `state-unsafe`, …
 */
export function openSession(
  state: StateFolder,
  connection: Connection,
  options: OptionValues,
  log: Log,
  windows?: Windows,
): Session {
  const { secrets } = new Connections(state.path);
  return new Session(connection, {
    stateFolder: state.path,
    secrets,
    log,
    budgetWait: Number(options.budget_wait) * 1000,
    uploadBandwidth: lineOf(options)?.upload,
    ...(windows ? { windows } : {}),
  });
}

/** @param close closes a session that nobody else uses */
export function projectSession(
  session: Session,
  project: ResolvedProject,
  close: () => Promise<void> = async () => undefined,
): ProjectSession {
  const { connection } = session;
  return {
    session,
    connection,
    project,
    webUrl: (item) => `${connection.loginUrl}/${project.id}/project/documents?item=${item.remoteId}`,
    close,
  };
}

/**
 * Resolves the project that `source` names. A project that the connection remembers costs no call, and no sign-in.
 * @throws Failure `no-such-project`, `ambiguous-project`, `usage` when none is named, or of the client
 */
export async function resolveSource(
  connections: Connections,
  connection: Connection,
  source: Source,
  session: Session,
): Promise<ResolvedProject> {
  const wanted = source.project || (connection.project === undefined ? '' : String(connection.project));
  if (wanted === '')
    throw new Failure('usage', { what: `"${source.connection}:" names no project: CONNECTION:PROJECT[/folder]` });
  return resolveProject(connection, wanted, session.client, { class: 'interactive' }, (projects) =>
    connections.update(connection.id, { projects }),
  );
}

/** Opens a project with its own session. @throws Failure `no-such-connection`, or of `resolveSource` */
export async function openProjectSession(
  state: StateFolder,
  source: Source,
  options: OptionValues,
  log: Log,
  windows?: Windows,
): Promise<ProjectSession> {
  const connections = new Connections(state.path);
  const connection = connections.get(source.connection);
  const session = openSession(state, connection, options, log, windows);
  try {
    const project = await resolveSource(connections, connection, source, session);
    return projectSession(session, project, () => session.close());
  } catch (error) {
    await session.close();
    throw error;
  }
}
