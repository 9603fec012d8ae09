import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import { Connections } from '#src/connections/store.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from './simulator.js';

interface Event {
  readonly op: 'create' | 'update';
  readonly type: 'file' | 'folder';
  readonly path: string;
  readonly id?: number;
  readonly version?: number;
  readonly content?: string;
}

interface Server {
  readonly settings: SimulatorSettings;
  readonly histories: readonly { readonly project: number; readonly events: readonly Event[] }[];
}

/**
 * A state folder that 65be2ce left when it was killed (`test/fixtures`), the folder of its job's source beside it, and the
 * server as it was then, under the same ids.
 */
export async function oldState(t: {
  teardown(cleanup: () => unknown): unknown;
}): Promise<{ readonly simulator: RunningSimulator; readonly state: string; readonly disk: string }> {
  const top = mkdtempSync(join(tmpdir(), 'procorefs-old-'));
  t.teardown(() => rmSync(top, { recursive: true, force: true }));
  const archive = new URL('../../../test/fixtures/state-of-65be2ce.tar.gz', import.meta.url);
  execFileSync('tar', ['-C', top, '-xpzf', fileURLToPath(archive)]);
  const { settings, histories } = JSON.parse(readFileSync(join(top, 'server.json'), 'utf8')) as Server;
  const running = await simulator(t, settings);
  for (const { project, events } of histories)
    for (const { id, version, ...event } of events) {
      const made = await running.admin.change({ ...event, project });
      if ((id !== undefined && made.id !== id) || (version !== undefined && made.version_id !== version))
        throw new Error(`${event.path} has other ids than it had`);
    }
  const state = join(top, 'state');
  const disk = join(top, 'disk');
  const connections = new Connections(state);
  const { api: apiUrl, login: loginUrl } = running.ready;
  connections.update(connections.get('Procore').id, { apiUrl, loginUrl });
  const target = connections.find('disk');
  if (!('uri' in target)) throw new Error('the disk is no target');
  connections.updateTarget(target, { uri: disk });
  for (const project of readdirSync(join(state, 'projects'))) {
    // Its storage had another port.
    const mirror = new BetterSqlite3(join(state, 'projects', project, 'mirror.db'));
    mirror.exec('DELETE FROM urls');
    mirror.close();
  }
  return { simulator: running, state, disk };
}
