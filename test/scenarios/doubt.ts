import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mounted } from '../support/mounted.js';
import { Observer, type Tree } from '../support/observer.js';
import { until } from '../support/processes.js';
import type { SimulatorSettings } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

const WORDS = ['-o', 'settle=3600,delete_delay=3600,poll=1'];
const settings: SimulatorSettings = {
  items: 0,
  oddNames: 'no',
  spike: 3000,
  hourly: 1_000_000,
  switch: ['name-edges=trimmed'],
};

/**
 * Calls come through whose replies are lost, and nobody can look for what they made; meanwhile polls show it. Each thing
 * is there once, whatever people do with it, whatever restarts come between.
 */
export async function doubtScenario(t: Scenario, driver: 'kernel' | 'fuse-native'): Promise<void> {
  const words = [...WORDS, '--driver', driver];
  const project = await mounted(t, settings, words);
  const { admin } = project.simulator;
  const observer = new Observer(t, project, words);
  const { daemon } = observer;
  const at = (path: string): string => join(project.mnt, path);
  const sees = async (wanted: Tree, when: string): Promise<void> =>
    observer.sees('', { ...wanted, Schedules: null }, when);
  await writeFile(at('known.txt'), 'known');
  await mkdir(at('folder'));
  t.equal((await daemon.drain()).length, 0, 'all is up');
  const first = {
    ...{ 'file.txt': 'file', 'renamed.txt': 'renamed', 'written.txt': 'written', 'deleted.txt': 'deleted' },
    ...{ 'folder/in.txt': 'in', 'saved.txt': 'saved', ' edges.txt': 'edges', 'known.txt': 'known, and more' },
    ...{ 'made/not yet.txt': 'not yet', 'other/deep/x.txt': 'x' },
  };
  for (const name of ['made', 'other', 'other/deep', 'gone']) await mkdir(at(name));
  for (const [path, content] of Object.entries(first)) await writeFile(at(path), content);
  await admin.faults({
    'reset-after': { route: 'POST /rest/v1.0/f' },
    'malformed-json': { route: 'GET /rest/v1.0/folders' },
    '408': { route: 'GET /rest/v1.0/files', after: 1 },
  });
  const came = ['file.txt', 'renamed.txt', 'folder/in.txt', 'edges.txt', 'made', 'other', 'gone'];
  await until(async () => {
    t.ok((await daemon.drain(3)).length > 0, 'nobody knows what came through');
    const made = new Set((await admin.tree()).map(({ path }) => path));
    return came.every((name) => made.has(name));
  });
  await observer.daemon.polled();
  await sees({ ...first, gone: null }, 'a poll shows what came through');

  await rename(at('renamed.txt'), at('folder/renamed.txt'));
  await writeFile(at('written.txt'), 'written anew');
  await rm(at('deleted.txt'));
  await writeFile(at('saved.txt.tmp'), 'saved anew');
  await rename(at('saved.txt.tmp'), at('saved.txt'));
  await rename(at('other'), at('folder/another'));
  await rmdir(at('gone'));
  const then: Tree = {
    ...{ 'file.txt': 'file', 'folder/renamed.txt': 'renamed', 'written.txt': 'written anew', 'folder/in.txt': 'in' },
    ...{ 'saved.txt': 'saved anew', ' edges.txt': 'edges', 'known.txt': 'known, and more' },
    ...{ 'made/not yet.txt': 'not yet', 'folder/another/deep/x.txt': 'x' },
  };
  await sees(then, 'what people do with it then');
  await admin.change({ op: 'create', path: 'folder/by others.txt', content: 'others' });
  await observer.daemon.polled();
  await observer.sees('', { ...then, 'folder/by others.txt': 'others', Schedules: null }, 'after another poll', 3000);
  await observer.killed();
  await observer.daemon.polled();
  const last: Tree = { ...then, 'folder/by others.txt': 'others' };
  await sees(last, 'after kill -9 and a poll');

  await admin.noFaults();
  t.equal((await daemon.drain()).length, 0, 'all is up at last');
  const { ' edges.txt': edges, ...others } = last;
  const wanted: Tree = { ...others, 'edges.txt': edges! };
  await observer.serverHas('', wanted, 'everything is at the server once');
  await observer.daemon.polled();
  await observer.sees('', { ...wanted, Schedules: null }, 'and here', 3000);
  await observer.listed();
  await sees(wanted, 'after listings as well');
}
