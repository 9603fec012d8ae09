import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import { contentOf, eventually } from './content-storage.js';
import { directSource, VICTIM_LIMIT, VICTIMS } from './content-victim.js';
import { randomBy } from './random.js';

const MAIN = fileURLToPath(new URL('./content-victim-main.js', import.meta.url));

export interface CrashReport {
  readonly kills: number;
  /** Bytes that the survivors served from disk. */
  readonly kept: number;
  readonly problems: readonly string[];
}

/**
 * Kills a process that reads through a cache, `kills` times at random moments, always over the same folder, and checks
 * every byte that the cache serves afterwards (each time some versions, at the end all).
 */
export async function crashAgainAndAgain(folder: string, kills: number): Promise<CrashReport> {
  const problems: string[] = [];
  let kept = 0;
  const random = randomBy(kills);
  for (let n = 1; n <= kills; n++) {
    const child = spawn(process.execPath, [MAIN, folder, String(n)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    await delay(random() * 350);
    child.kill('SIGKILL');
    const [code, signal] = await ended;
    if (signal !== 'SIGKILL') problems.push(`kill ${n}: the process had ended with ${code}`);
    if (n % 5 === 0 || n === kills) kept += await check(folder, `kill ${n}`, problems);
  }
  return { kills, kept, problems };
}

async function check(folder: string, when: string, problems: string[]): Promise<number> {
  const source = directSource();
  const cache = ContentCache.open({ folder, limit: VICTIM_LIMIT * 10, reserve: 0, source, log: silentLog });
  const signal = new AbortController().signal;
  let served = 0;
  for (const version of VICTIMS) {
    const blob = cache.open(version);
    for (let at = 0; at < version.size; at += 250_000) {
      const bytes = await blob.read(at, 250_000, signal);
      served += bytes.length;
      if (!contentOf(version.id, at, Math.min(version.size, at + 250_000)).equals(bytes))
        problems.push(`${when}: wrong bytes of ${version.label} at ${at}`);
    }
    blob.close();
  }
  const files = (): number =>
    readdirSync(join(folder, 'blobs'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).length;
  await eventually(() => files() <= VICTIMS.length, 'the files that no row names are removed').catch(() => undefined);
  if (files() !== VICTIMS.length) problems.push(`${when}: ${files()} files of ${cache.stats().blobs} blobs`);
  await cache.close();
  return served - source.fetched;
}
