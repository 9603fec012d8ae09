import { lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, Failure } from '../base/errors.js';
import { ranSince } from '../base/process.js';
import { PART_DAYS } from './paths.js';

/** Makes a private folder (0700), which whoever asked removes. */
export type MakeFolder = (purpose: string) => Promise<string>;

/** `PURPOSE-PID-SINCE-RANDOM`: whose it is, and since when (milliseconds since the epoch). */
const OWNED = /-(\d+)-(\d+)-[^-]+$/;
const DAY_MS = 86_400_000;

/** Where content is made complete before it is sent: what broke off is found there by the next attempt. */
export const stagingPath = (state: string): string => join(state, 'jobs', 'staging');

const temporaryPath = (state: string): string => join(state, 'temporary');

/** State folders that this process has swept. */
const swept = new Map<string, Promise<void>>();

/**
 * Folders for what is secret or of use to one process only. They lie below the state folder and not in the system's
 * folder for temporary files: what a killed process leaves is behind a folder 0700, and removed by the next one.
 * @throws Failure `disk-full`, `target-failed` where there can be none
 */
export function temporaryIn(state: string): MakeFolder {
  return async (purpose) => {
    const above = temporaryPath(state);
    try {
      await mkdir(above, { recursive: true, mode: 0o700 });
      await sweepOnce(state);
      return await mkdtemp(join(above, `${purpose}-${process.pid}-${Date.now()}-`));
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOSPC' || code === 'EDQUOT')
        throw new Failure('disk-full', { path: 'a temporary folder', disk: above }, error);
      throw new Failure('target-failed', { target: 'making a temporary folder', path: above }, error);
    }
  };
}

/** Removes what processes left that are gone, and what was staged and not asked for again in a week. */
export async function sweepTemporary(state: string): Promise<void> {
  await removeFrom(temporaryPath(state), (name) => {
    const [, pid, since] = OWNED.exec(name) ?? [];
    return Promise.resolve(pid === undefined || !ranSince(Number(pid), Number(since)));
  });
  const old = Date.now() - PART_DAYS * DAY_MS;
  // A staged file bears the time of its content: when it was touched last is its change time.
  await removeFrom(stagingPath(state), async (name) => {
    const found = await lstat(join(stagingPath(state), name)).catch(() => undefined);
    return found !== undefined && found.ctimeMs < old;
  });
}

/** A process that begins with its first target, as a command does, sweeps then. */
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
