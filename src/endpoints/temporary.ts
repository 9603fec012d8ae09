import { lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../base/clock.js';
import { errnoOf, Failure } from '../base/errors.js';
import { ranSince } from '../base/process.js';
import { DAY_MS } from '../base/zone.js';
import { PART_DAYS } from './paths.js';

/** Creates a private folder (0700), which the caller removes. */
export type MakeFolder = (purpose: string) => Promise<string>;

/** `PURPOSE-PID-SINCE-RANDOM`: the owning process, and its start time (milliseconds since the epoch). */
const OWNED = /-(\d+)-(\d+)-[^-]+$/;

/** Where content is completed before it is sent: the next attempt finds interrupted content there. */
export const stagingPath = (state: string): string => join(state, 'jobs', 'staging');

const temporaryPath = (state: string): string => join(state, 'temporary');

/** State folders that this process has cleaned up. */
const swept = new Map<string, Promise<void>>();

/**
 * Creates folders for secrets and for data of one process. They are below the state folder and not in the system's
 * temporary folder: the files of a killed process stay behind a folder 0700, and the next process removes them.
 * @throws Failure `disk-full`, `target-failed` if the folder cannot be created
 */
export function temporaryIn(state: string): MakeFolder {
  return async (purpose) => {
    const above = temporaryPath(state);
    try {
      await mkdir(above, { recursive: true, mode: 0o700 });
      await sweepOnce(state);
      return await mkdtemp(join(above, `${purpose}-${process.pid}-${systemClock.now()}-`));
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOSPC' || code === 'EDQUOT')
        throw new Failure('disk-full', { path: 'a temporary folder', disk: above }, error);
      throw new Failure('target-failed', { target: 'making a temporary folder', path: above }, error);
    }
  };
}

/** Removes the folders of processes that have ended, and staged files that were not used for a week. */
export async function sweepTemporary(state: string): Promise<void> {
  await removeFrom(temporaryPath(state), (name) => {
    const [, pid, since] = OWNED.exec(name) ?? [];
    return Promise.resolve(pid === undefined || !ranSince(Number(pid), Number(since)));
  });
  const old = systemClock.now() - PART_DAYS * DAY_MS;
  // A staged file has the time of its content as its mtime: its last use is its ctime.
  await removeFrom(stagingPath(state), async (name) => {
    const found = await lstat(join(stagingPath(state), name)).catch(() => undefined);
    return found !== undefined && found.ctimeMs < old;
  });
}

/** A process that starts with its first target, such as a command, cleans up then. */
function sweepOnce(state: string): Promise<void> {
  const known = swept.get(state) ?? sweepTemporary(state);
  swept.set(state, known);
  return known;
}

async function removeFrom(folder: string, isOver: (name: string) => Promise<boolean>): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  for (const name of names) if (await isOver(name)) await rm(join(folder, name), { recursive: true, force: true });
}
