import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { isFailure } from '#src/base/errors.js';
import { FolderTarget } from '#src/endpoints/folder/folder-target.js';
import { FolderRoot } from '#src/endpoints/folder/root.js';
import { RemoteTarget } from '#src/endpoints/remote/remote-target.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import { rulesOf } from '#src/endpoints/rules.js';
import type { Target, Trash } from '#src/endpoints/target.js';
import { Quirky } from './quirky-targets.js';

export const KINDS = ['folder', 'storage'] as const;
export type Kind = (typeof KINDS)[number];
/** What a process is about when it is killed: a file or a folder (`tree`) leaves, or a file is replaced. */
export const WORKS = ['discard file', 'discard tree', 'replace file'] as const;
export type Work = (typeof WORKS)[number];

export const TRASH: Trash = { day: '2026-01-31', days: 30, job: 'a', by: 'the job "a"' };

/** As a program saves: a new file in place of the old one. */
export function save(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}~`, text);
  renameSync(`${path}~`, path);
}

/** @param between called between any two looks and changes of the target */
export async function openWatched(kind: Kind, folder: string, staging: string, between: () => void): Promise<Target> {
  if (kind === 'folder') {
    const root = await FolderRoot.open(folder, undefined);
    const plain = root.folder.bind(root);
    root.folder = (...words) => {
      between();
      return plain(...words);
    };
    Object.defineProperty(root, 'remote', {
      get: () => {
        between();
        return false;
      },
    });
    return new FolderTarget(root, rulesOf('linux', { replacesAtOnce: true, resumes: true }));
  }
  const storage = new Quirky(folder, { title: 'storage' });
  const rename = storage.rename.bind(storage);
  storage.rename = async (...words) => {
    between();
    await rename(...words);
    between();
  };
  return new RemoteTarget(storage, new StorageStaging(staging, 'storage'));
}

/** Begins with the work, somebody saves just before what was there leaves its place, and then it stops for ever. */
export async function beDetachedVictim(
  kind: Kind,
  work: Work,
  isUnseen: boolean,
  isKept: boolean,
  name: string,
  folder: string,
) {
  const { signal } = new AbortController();
  const verb = work.split(' ')[0]!;
  const inside = join(folder, work.endsWith('tree') ? `${name}/inside` : name);
  let isOn = false;
  let calls = 0;
  let saves = 0;
  const hasLeft = (): boolean =>
    !statSync(inside, { throwIfNoEntry: false }) || readFileSync(inside, 'utf8') === 'from the job';
  const target = await openWatched(kind, folder, `${folder} staging`, () => {
    if (!isOn) return;
    if (hasLeft()) {
      writeSync(1, 'away\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    }
    if (isUnseen && ++calls === saves) save(inside, 'unseen');
  });
  const bytes = Buffer.from('from the job');
  const content = { open: async (start: number) => Readable.from([bytes.subarray(start)], { objectMode: false }) };
  const options = { signal, ...(isKept ? { trash: TRASH } : {}) };
  // Where it is saved before the target looks, nothing leaves its place, and it is saved later the next time.
  for (saves = 1; ; saves++) {
    save(inside, 'seen');
    const seen = (await target.stat(name, signal))!;
    [isOn, calls] = [true, 0];
    try {
      if (verb === 'discard') await target.discard(seen, { ...options, isSeen: (item) => item.size === 4 });
      else await target.write(name, content, { ...options, size: bytes.length, expected: seen });
      throw new Error('it was done without a look');
    } catch (error) {
      if (!isFailure(error, 'target-changed')) throw error;
    }
    isOn = false;
  }
}
