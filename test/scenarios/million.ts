import { readdirSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mounted, run } from '../support/mounted.js';
import { memoryOf, type Scenario } from './scenarios.js';

const CALLS_FOR_A_MILLION = 510;
const LEAST_CALLS = 20;
const DATABASE_MB = 700;
const FIND_MB = 250;
/** Entries of one folder, made at once by somebody else. */
const WIDE = 100_000;
const LOOK_AT_MEMORY = 500;

/** A project that is as large as the largest: what its crawl, its remount, a walk through it and a wide folder cost. */
export async function million(t: Scenario, items: number): Promise<void> {
  const options = ['-o', 'poll=3600'];
  const { installation, simulator, mnt, source } = await mounted(t, { items, oddNames: 'no' }, options);
  const { admin } = simulator;
  await installation.crawled(mnt);
  const routes = Object.entries((await admin.calls()).byRoute).filter(([route]) =>
    /documents|folders|files/.test(route),
  );
  const total = routes.reduce((sum, [, calls]) => sum + calls, 0);
  t.comment(`${items} items: crawled in ${total} calls`);
  t.ok(total <= Math.max(LEAST_CALLS, (CALLS_FOR_A_MILLION * items) / 1_000_000), `${total} calls`);
  await admin.change({ op: 'create', path: 'wide', type: 'folder' });
  await admin.change({ op: 'create', path: 'wide/entry #.txt', count: WIDE, content: 'x' });
  await installation.must(['umount', mnt]);
  const database = folderBytes(installation.state, /^mirror\.db/) / 1e6;
  t.comment(`mirror.db has ${database.toFixed(0)} MB`);
  t.ok(database <= (DATABASE_MB * items) / 1_000_000 + 1, `${database.toFixed(0)} MB`);

  await admin.reset();
  await installation.must(['mount', source, mnt, ...options]);
  const began = performance.now();
  const names = await readdir(mnt);
  const listed = performance.now() - began;
  t.comment(`ls after a new mount: ${listed.toFixed(0)} ms`);
  t.ok(names.length > 5, 'ls answers');
  t.equal((await admin.calls()).total, 0, 'without a call');

  const { pid } = await installation.status(mnt);
  let most = 0;
  let walking = true;
  const watching = (async () => {
    for (; walking; await sleep(LOOK_AT_MEMORY)) most = Math.max(most, (await memoryOf(pid)).now);
  })();
  const found = await run('sh', ['-c', 'find "$0" -mindepth 1 -printf "%s\\n" | wc -l', mnt], { timeout: 1_800_000 });
  walking = false;
  await watching;
  t.comment(`find: ${found.stdout.trim()} items, ${most} MB at most meanwhile`);
  t.ok(Number(found.stdout) >= items, 'find walks everything');
  t.ok(most <= FIND_MB, `${most} MB`);

  const count = async (): Promise<number> => {
    const { stdout } = await run('sh', ['-c', 'ls -f "$0" | wc -l', join(mnt, 'wide')], { timeout: 600_000 });
    return Number(stdout);
  };
  let entries = 0;
  for (const end = Date.now() + 600_000; Date.now() < end && entries < WIDE + 2; await sleep(2000))
    entries = readdirSync(mnt).includes('wide') ? await count() : 0;
  t.equal(entries, WIDE + 2, 'a folder of 100,000 entries lists');
}

function folderBytes(folder: string, pattern: RegExp): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile() && pattern.test(entry.name)) sum += statSync(join(entry.parentPath, entry.name)).size;
  return sum;
}
