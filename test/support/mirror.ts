import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asProjectId, type ProjectId, ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Connections } from '#src/connections/store.js';
import type { Item } from '#src/mirror/database/view.js';
import { Mirror, type MirrorOptions } from '#src/mirror/mirror.js';
import { type IndexSource, indexSource } from '#src/mirror/sync/index-source.js';
import { Session } from '#src/procore/session.js';
import { addConnection } from './simulated-connection.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from './simulator.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

export interface MirrorBench {
  readonly simulator: RunningSimulator;
  readonly session: Session;
  readonly project: ProjectId;
  /** The state folder. */
  readonly folder: string;
  readonly secrets: Connections['secrets'];
  readonly source: IndexSource;
  /** Opens the mirror anew; the one before must be closed. */
  openMirror(source?: IndexSource, options?: Partial<MirrorOptions>): Mirror;
}

/**
 * A simulated project and a session with it; `openMirror` gives the mirror over both.
 * @param through what stands between them: gives the address of the API in the place of its own
 */
export async function mirrorBench(
  t: Teardown,
  settings: SimulatorSettings = {},
  through: (api: string) => Promise<string> = async (api) => api,
): Promise<MirrorBench> {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-mirror-'));
  const running = await simulator(t, { spike: 10_000, hourly: 3600, ...settings });
  const connections = new Connections(folder);
  const { ready } = running;
  const connection = addConnection(connections, { ...ready, api: await through(ready.api) });
  const session = new Session(connection, { stateFolder: folder, secrets: connections.secrets, log: silentLog });
  const project = asProjectId(ready.projects[0]!.id);
  const { client } = session;
  const source = indexSource(client, project);
  const open = new Set<Mirror>();
  t.teardown(async () => {
    await Promise.all([...open].map((mirror) => mirror.close()));
    await session.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    simulator: running,
    folder,
    secrets: connections.secrets,
    session,
    project,
    source,
    openMirror(from = source, options = {}) {
      const path = join(folder, 'mirror.db');
      const mirror = new Mirror({ path, source: from, log: silentLog, pollInterval: 3600, ...options });
      const close = mirror.close.bind(mirror);
      mirror.close = async () => {
        open.delete(mirror);
        await close();
      };
      open.add(mirror);
      return mirror;
    },
  };
}

/** Every visible item below the root: remote path → what the mirror says. */
export function mirrorTree(mirror: Mirror): Map<string, Item> {
  const found = new Map<string, Item>();
  const walk = (folder: Item, path: string): void => {
    for (let after = 0; ; ) {
      const children = mirror.view.children(folder.remoteId, after, 1000);
      for (const child of children) {
        const at = path === '' ? child.remoteName : `${path}/${child.remoteName}`;
        found.set(`${at}#${child.remoteId}`, child);
        if (!child.isFile) walk(child, at);
      }
      if (children.length < 1000) return;
      after = children.at(-1)!.inode;
    }
  };
  const root = mirror.view.item(ROOT_INODE);
  if (root) walk(root, '');
  return found;
}

/** Lines that describe a tree, for comparing the mirror with the server's own account. */
export const mirrorLines = (mirror: Mirror): string[] =>
  [...mirrorTree(mirror)].map(([path, item]) => `${path} ${item.isFile ? `file ${item.size}` : 'folder'}`).sort();

/** The same of what the server lets the account see. */
export async function serverLines(running: RunningSimulator): Promise<string[]> {
  const tree = await running.admin.tree({ hash: false });
  // Names may hold slashes, so a place below is one whose path begins with the folder's.
  const closed = tree.filter(({ hidden, type }) => hidden && type === 'folder').map(({ path }) => `${path}/`);
  return tree
    .filter(({ hidden, path }) => !hidden && !closed.some((folder) => path.startsWith(folder)))
    .map((e) => `${e.path}#${e.id} ${e.type === 'file' ? `file ${e.size}` : 'folder'}`)
    .sort();
}
