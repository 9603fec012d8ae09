import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import { mounted } from '../support/mounted.js';
import { Observer, type Tree } from '../support/observer.js';
import type { Scenario } from './scenarios.js';

/** Nothing goes up by itself; what others do shows within seconds. */
const WORDS = ['-o', 'settle=3600,delete_delay=3600,poll=1'];
/** Milliseconds in which the kernel has surely heard what the daemon knows, on a busy machine too. */
const MOMENT = 20_000;
const settings = { items: 0, oddNames: 'no', spike: 3000, hourly: 1_000_000 } as const;

interface Case {
  /** At the server before. */
  readonly there: Tree;
  /** What people do here; none of it goes up. */
  readonly here: (at: (path: string) => string) => Promise<unknown>;
  /** What others do at the server meanwhile. */
  readonly meanwhile?: readonly AdminChange[];
  /** What the mount shows until it goes up. */
  readonly shows: Tree;
  /** What the server has when all is up; as shown before unless told. */
  readonly becomes?: Tree;
  /** What cannot go up is left: paths in `uploads`, and what the mount shows once they were given up. */
  readonly left?: readonly string[];
  /** Who was slower is kept under a name of its own: this stands for it. */
  readonly conflict?: string;
}

const both = { 'f/a.txt': 'a', 'f/b.txt': 'b', g: null } as const;
const nothing = async (): Promise<void> => undefined;

const cases: Readonly<Record<string, Case>> = {
  'new files in new folders and in old ones': {
    there: both,
    async here(at) {
      await mkdir(at('new/deep'), { recursive: true });
      await writeFile(at('new/deep/x.txt'), 'x');
      await mkdir(at('f/sub'));
      await writeFile(at('f/sub/y.txt'), 'y');
      await writeFile(at('f/z.txt'), 'z');
    },
    meanwhile: [
      { op: 'update', path: 'f/a.txt', content: 'a2' },
      { op: 'create', path: 'f/c.txt', content: 'c' },
    ],
    shows: {
      ...{ 'f/a.txt': 'a2', 'f/b.txt': 'b', 'f/c.txt': 'c', 'f/z.txt': 'z', 'f/sub': null, 'f/sub/y.txt': 'y' },
      ...{ g: null, new: null, 'new/deep': null, 'new/deep/x.txt': 'x' },
    },
  },
  'renamed here, a new version there': {
    there: both,
    here: (at) => rename(at('f/a.txt'), at('f/c.txt')),
    meanwhile: [{ op: 'update', path: 'f/a.txt', content: 'a2' }],
    shows: { 'f/c.txt': 'a2', 'f/b.txt': 'b', g: null },
  },
  'moved here, checked out and in there': {
    there: both,
    here: (at) => rename(at('f/a.txt'), at('g/c.txt')),
    meanwhile: [
      { op: 'checkout', path: 'f/a.txt' },
      { op: 'checkout', path: 'f/a.txt', by: null },
    ],
    shows: { 'f/b.txt': 'b', 'g/c.txt': 'a' },
  },
  'deleted here, a new version there': {
    there: both,
    here: (at) => rm(at('f/a.txt')),
    meanwhile: [{ op: 'update', path: 'f/a.txt', content: 'a2' }],
    shows: { 'f/a.txt': 'a2', 'f/b.txt': 'b', g: null },
  },
  'written here, renamed there': {
    there: both,
    here: (at) => writeFile(at('f/a.txt'), 'written'),
    meanwhile: [{ op: 'rename', path: 'f/a.txt', to: 'c.txt' }],
    shows: { 'f/c.txt': 'written', 'f/b.txt': 'b', g: null },
  },
  'written here, moved there, and its folder deleted': {
    there: both,
    here: (at) => writeFile(at('f/a.txt'), 'written'),
    meanwhile: [
      { op: 'move', path: 'f/a.txt', to: 'g' },
      { op: 'delete', path: 'f' },
    ],
    shows: { 'g/a.txt': 'written' },
  },
  'written here, deleted there': {
    there: both,
    here: (at) => writeFile(at('f/a.txt'), 'written'),
    meanwhile: [{ op: 'delete', path: 'f/a.txt' }],
    shows: { 'f/a.txt': 'written', 'f/b.txt': 'b', g: null },
  },
  'renamed here, moved there': {
    there: both,
    here: (at) => rename(at('f/a.txt'), at('f/c.txt')),
    meanwhile: [{ op: 'move', path: 'f/a.txt', to: 'g' }],
    shows: { 'g/c.txt': 'a', 'f/b.txt': 'b' },
  },
  'renamed on both sides': {
    there: both,
    here: (at) => rename(at('f/a.txt'), at('f/here.txt')),
    meanwhile: [{ op: 'rename', path: 'f/a.txt', to: 'there.txt' }],
    shows: { 'f/here.txt': 'a', 'f/b.txt': 'b', g: null },
  },
  'its name taken anew there': {
    there: both,
    here: (at) => rename(at('f/a.txt'), at('g/a.txt')),
    meanwhile: [
      { op: 'rename', path: 'f/a.txt', to: 'old.txt' },
      { op: 'create', path: 'f/a.txt', content: 'another' },
    ],
    shows: { 'f/a.txt': 'another', 'f/b.txt': 'b', 'g/old.txt': 'a' },
  },
  'files in a folder that is renamed there': {
    there: both,
    async here(at) {
      await writeFile(at('f/a.txt'), 'written');
      await writeFile(at('f/new.txt'), 'new');
      await rename(at('f/b.txt'), at('f/c.txt'));
    },
    meanwhile: [{ op: 'rename', path: 'f', to: 'h' }],
    shows: { 'h/a.txt': 'written', 'h/c.txt': 'b', 'h/new.txt': 'new', g: null },
  },
  'files in a folder that is moved there': {
    there: both,
    async here(at) {
      await writeFile(at('f/new.txt'), 'new');
      await rm(at('f/b.txt'));
    },
    meanwhile: [{ op: 'move', path: 'f', to: 'g' }],
    shows: { 'g/f/a.txt': 'a', 'g/f/new.txt': 'new' },
  },
  'a folder renamed here, filled there': {
    there: both,
    here: (at) => rename(at('f'), at('h')),
    meanwhile: [
      { op: 'create', path: 'f/c.txt', content: 'c' },
      { op: 'update', path: 'f/a.txt', content: 'a2' },
    ],
    shows: { 'h/a.txt': 'a2', 'h/b.txt': 'b', 'h/c.txt': 'c', g: null },
  },
  'a folder renamed here, moved there': {
    there: both,
    here: (at) => rename(at('f'), at('h')),
    meanwhile: [{ op: 'move', path: 'f', to: 'g' }],
    shows: { 'g/h/a.txt': 'a', 'g/h/b.txt': 'b' },
  },
  'a folder deleted here, filled there': {
    there: both,
    here: (at) => rm(at('f'), { recursive: true }),
    meanwhile: [{ op: 'create', path: 'f/c.txt', content: 'c' }],
    shows: { 'f/c.txt': 'c', g: null },
  },
  'a new file, and another one of its name there': {
    there: both,
    here: (at) => writeFile(at('f/c.txt'), 'here'),
    meanwhile: [{ op: 'create', path: 'f/c.txt', content: 'there' }],
    shows: { 'f/a.txt': 'a', 'f/b.txt': 'b', 'f/c.txt': 'here', g: null },
    becomes: { 'f/a.txt': 'a', 'f/b.txt': 'b', 'f/c.txt': 'there', 'f/CONFLICT': 'here', g: null },
  },
  'a new folder, and another one of its name there': {
    there: both,
    async here(at) {
      await mkdir(at('h'));
      await writeFile(at('h/here.txt'), 'here');
    },
    meanwhile: [{ op: 'create', path: 'h/there.txt', parents: true, content: 'there' }],
    shows: { 'f/a.txt': 'a', 'f/b.txt': 'b', 'h/here.txt': 'here', g: null },
    becomes: { 'f/a.txt': 'a', 'f/b.txt': 'b', 'h/here.txt': 'here', 'h/there.txt': 'there', g: null },
  },
  'saved as programs do, and renamed there': {
    there: both,
    async here(at) {
      await rename(at('f/a.txt'), at('f/a.txt~'));
      await writeFile(at('f/a.txt'), 'saved');
      await rm(at('f/a.txt~'));
    },
    meanwhile: [{ op: 'rename', path: 'f/a.txt', to: 'c.txt' }],
    shows: { 'f/c.txt': 'saved', 'f/b.txt': 'b', g: null },
  },
  'written here, a new version there': {
    there: both,
    here: (at) => writeFile(at('f/a.txt'), 'here'),
    meanwhile: [{ op: 'update', path: 'f/a.txt', content: 'there' }],
    shows: { 'f/a.txt': 'here', 'f/b.txt': 'b', g: null },
    becomes: { 'f/a.txt': 'there', 'f/CONFLICT': 'here', 'f/b.txt': 'b', g: null },
  },
  'a new file in a folder that is deleted there': {
    there: both,
    here: (at) => writeFile(at('f/new.txt'), 'new'),
    meanwhile: [{ op: 'delete', path: 'f' }],
    shows: { g: null },
    left: ['f/new.txt'],
  },
  'moved into a folder that is deleted there': {
    there: both,
    here: (at) => rename(at('f/a.txt'), at('g/a.txt')),
    meanwhile: [{ op: 'delete', path: 'g' }],
    shows: { 'f/b.txt': 'b' },
    becomes: { 'f/a.txt': 'a', 'f/b.txt': 'b' },
    left: ['g/a.txt'],
  },
  'renamed here to a name that is taken there': {
    there: both,
    here: (at) => rename(at('f/a.txt'), at('f/c.txt')),
    meanwhile: [{ op: 'create', path: 'f/c.txt', content: 'c' }],
    shows: { 'f/c.txt': 'a', 'f/b.txt': 'b', g: null },
    becomes: { 'f/CONFLICT': 'a', 'f/b.txt': 'b', 'f/c.txt': 'c', g: null },
  },
  'new, written, renamed, moved and deleted, and nobody else is there': {
    there: { ...both, 'f/c.txt': 'c', 'f/d.txt': 'd', 'h/e.txt': 'e' },
    async here(at) {
      await mkdir(at('new/deep'), { recursive: true });
      await writeFile(at('new/deep/x.txt'), 'x');
      await writeFile(at('f/x.txt'), 'x');
      await writeFile(at('f/a.txt'), 'written');
      await rename(at('f/b.txt'), at('f/renamed.txt'));
      await rename(at('f/c.txt'), at('g/c.txt'));
      await rm(at('f/d.txt'));
      await rename(at('h'), at('g/h'));
    },
    shows: {
      ...{ 'new/deep/x.txt': 'x', 'f/x.txt': 'x', 'f/a.txt': 'written', 'f/renamed.txt': 'b' },
      ...{ 'g/c.txt': 'c', 'g/h/e.txt': 'e' },
    },
  },
  'nothing here': { there: both, here: nothing, shows: { 'f/a.txt': 'a', 'f/b.txt': 'b', g: null } },
};

const folderOf = (name: string): string => Object.keys(cases).indexOf(name).toString().padStart(2, '0');

/** Polls, listings and stale replies while changes wait, of the same items and of the folders around them. */
export async function pendingScenario(t: Scenario, driver: 'kernel' | 'fuse-native'): Promise<void> {
  const words = [...WORDS, '--driver', driver];
  const project = await mounted(t, settings, words);
  const { simulator, mnt } = project;
  const { admin } = simulator;
  const names = Object.keys(cases);
  const observer = new Observer(t, project, words);
  const sees = async (when: string, wanted: (name: string) => Tree, some = names): Promise<void> => {
    for (const name of some)
      await observer.sees(folderOf(name), wanted(name), `${name}: ${when}`, cases[name]!.meanwhile ? MOMENT : 0);
  };
  const began = Date.now();
  const inFolder = (name: string, path: string): string => `${folderOf(name)}/${path}`;
  for (const name of names)
    await admin.changes(
      Object.entries(cases[name]!.there).map(([path, content]) => ({
        op: 'create',
        path: inFolder(name, content === null ? `${path}/` : path),
        parents: true,
        content: content ?? '',
      })),
    );
  await observer.daemon.refresh();
  await observer.listed();
  await sees('at first', (name) => cases[name]!.there);
  // What is stale is older than all that follows.
  await sleep(1000);
  const before = Date.now();
  for (const name of names) await cases[name]!.here((path) => join(mnt, inFolder(name, path)));
  for (const name of names)
    await admin.changes(
      (cases[name]!.meanwhile ?? []).map((change) => ({
        ...change,
        path: inFolder(name, change.path!),
        ...(change.op === 'move' ? { to: inFolder(name, change.to!) } : {}),
      })),
    );
  const shows = (name: string): Tree => cases[name]!.shows;
  await observer.daemon.polled();
  await sees('after a poll', shows);
  await observer.listed();
  await sees('after listings', shows);
  await observer.polledStale(Math.ceil((Date.now() - before) / 1000));
  const quiet = names.filter((name) => cases[name]!.meanwhile === undefined);
  await sees('after a stale poll', shows, quiet);
  await observer.listed();
  await sees('after a stale poll and listings', shows);
  await observer.killed();
  await sees('after kill -9', shows);
  await observer.listed();
  await sees('after kill -9 and listings', shows);

  const left = await observer.daemon.drain();
  const wanted = names.flatMap((name) => (cases[name]!.left ?? []).map((path) => inFolder(name, path))).sort();
  t.equal(
    left
      .map(({ path }) => path)
      .sort()
      .join(),
    wanted.join(),
    'what is left',
  );
  t.ok(
    left.every(({ state, reason }) => state === 'failed' && reason),
    'and why',
  );
  const lost = await observer.daemon.discard(...left);
  for (const path of lost) t.equal(await readFile(path, 'utf8'), 'new', 'the bytes of what was given up');
  const becomes = (name: string): Tree => cases[name]!.becomes ?? cases[name]!.shows;
  for (const name of names) await observer.serverHas(folderOf(name), becomes(name), `${name}: at the server`);
  await sees('when all is up', becomes);
  // Longer ago than all that was changed here: none of it may be undone.
  await observer.polledStale(Math.ceil((Date.now() - began) / 1000));
  await observer.killed();
  await observer.polledStale(Math.ceil((Date.now() - began) / 1000));
  await observer.listed();
  await sees('after stale polls and listings', becomes);
}
