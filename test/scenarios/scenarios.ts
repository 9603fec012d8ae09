import { readdirSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mounted, type Ran, run } from '../support/mounted.js';
import type { Calls } from '../support/simulator.js';

/** What the big scenarios need of a test, so that `npm test` and `npm run soak` run the same ones. */
export interface Scenario {
  teardown(cleanup: () => unknown): unknown;
  equal(found: unknown, wanted: unknown, message: string): unknown;
  ok(found: unknown, message: string): unknown;
  comment(message: string): unknown;
}

/** Index pages by which URLs are renewed, and rows of one. */
const ROWS_A_CALL = 2000;

/** sha256 by path, of every file below a folder, by programs of their own: a process must not wait for its own mount. */
export async function sums(folder: string): Promise<Map<string, string>> {
  // Each sha256sum has a file of its own to write to: in one pipe their lines would mix.
  const script = `out=$(mktemp -d); trap 'rm -rf "$out"' EXIT; export out
    find . -type f -print0 | xargs -0 -r -n 100 -P 8 sh -c 'sha256sum -z "$@" >"$out/$$"' sh; cat "$out"/*`;
  const ran = await run('sh', ['-ec', script], { cwd: folder, timeout: 600_000 });
  if (ran.code !== 0) throw new Error(`sha256sum in ${folder}: ${ran.stderr.slice(0, 2000)}`);
  return new Map(
    ran.stdout
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => [line.slice(68), line.slice(0, 64)]),
  );
}

/** How two maps differ, in a few words; '' where they are equal. */
export function difference(found: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): string {
  const keys = [...new Set([...found.keys(), ...wanted.keys()])].filter((key) => found.get(key) !== wanted.get(key));
  const some = keys
    .slice(0, 5)
    .map((key) => `${key}: ${found.get(key) ?? 'absent'}, not ${wanted.get(key) ?? 'there'}`);
  return keys.length === 0 ? '' : `${keys.length} differ: ${some.join('; ')}`;
}

/** Calls that are no polls: reading and listing must not cost any. */
export function callsButPolls({ total, byRoute }: Calls): number {
  return total - (byRoute['GET /rest/v1.0/projects/:id/documents'] ?? 0);
}

/** Every URL has expired when `items` small files are read: an index page renews 2,000 at once. */
export async function expiredUrls(t: Scenario, items: number): Promise<void> {
  const settings = { items, fileSize: 1500, oddNames: 'no', shape: 'wide' } as const;
  const { installation, simulator, mnt } = await mounted(t, settings, ['-o', 'poll=3600']);
  await installation.crawled(mnt);
  await simulator.admin.expire({ urls: true });
  await simulator.admin.reset();
  const found = await sums(mnt);
  const calls = await simulator.admin.calls();
  const files = (await simulator.admin.tree()).filter(({ type }) => type === 'file');
  t.equal(difference(found, new Map(files.map(({ path, sha256 }) => [path, sha256!]))), '', 'every byte is right');
  const most = Math.ceil(files.length / ROWS_A_CALL) + files.length / 100;
  t.comment(`${files.length} files of expired URLs: ${calls.total} calls`);
  t.ok(calls.total <= most, `${calls.total} calls for ${files.length} files, at most ${most}`);
}

/** A folder of this machine with at least 4,000 files of not more than 200 MiB, links not counted. */
export async function realFolder(): Promise<string> {
  const nodeModules = fileURLToPath(new URL('../../../node_modules', import.meta.url));
  for (const folder of ['/usr/share/doc', '/usr/share/man', '/usr/include', nodeModules]) {
    const { files, bytes } = await measure(folder).catch(() => ({ files: 0, bytes: 0 }));
    if (files >= 4000 && bytes <= 200 * 2 ** 20) return folder;
  }
  return nodeModules;
}

async function measure(folder: string): Promise<{ files: number; bytes: number }> {
  const found = { files: 0, bytes: 0 };
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    found.files++;
    found.bytes += (await lstat(join(entry.parentPath, entry.name))).size;
  }
  return found;
}

/** What diff(1) says of a folder and its mount, except that the mount has no symbolic links, but a folder of Procore. */
export function withoutLinks(diff: Ran, folder: string): string[] {
  return diff.stdout
    .split('\n')
    .filter((line) => line !== '' && !/^Only in .+\/mnt: Schedules$/.test(line))
    .filter((line) => {
      const only = /^Only in (.+?): (.+)$/.exec(line);
      if (!only?.[1]?.startsWith(folder)) return true;
      return !readdirSync(only[1], { withFileTypes: true }).some(
        (entry) => entry.name === only[2] && !entry.isFile() && !entry.isDirectory(),
      );
    });
}

/** The most that a daemon may take, MB: at rest with 100,000 items, and at any time of the crawl. */
const REST_MB = 200;
const CRAWL_MB = 350;
/** Calls of a crawl beside one for 2,000 rows: the root, and polls while it goes on. */
const CRAWL_CALLS = 5;

/** The daemon's memory during a crawl and after it, and what that cost. */
export async function crawlMemory(t: Scenario, items: number): Promise<void> {
  const { installation, simulator, mnt } = await mounted(t, { items }, ['-o', 'poll=3600']);
  await simulator.admin.reset();
  const { pid } = await installation.crawled(mnt);
  const { total } = await simulator.admin.calls();
  t.ok(total <= items / ROWS_A_CALL + CRAWL_CALLS, `${total} calls for ${items} items`);
  const crawl = await memoryOf(pid);
  const found = await run('find', [mnt, '-mindepth', '1', '-printf', '%s\n'], { timeout: 600_000 });
  t.equal(
    found.stdout.trim().split('\n').length,
    (await simulator.admin.tree({ hash: false })).length,
    'all are there',
  );
  const rest = await memoryOf(pid);
  t.comment(`${items} items: ${crawl.most} MB at most in the crawl, ${rest.now} MB after a find of everything`);
  t.ok(crawl.most <= CRAWL_MB, `${crawl.most} MB in the crawl`);
  t.ok(rest.now <= REST_MB, `${rest.now} MB at rest`);
}

/** Resident memory of a process, MB (proc_pid_status(5)): at present, and the most there was. */
export async function memoryOf(pid: number): Promise<{ readonly now: number; readonly most: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024e-6);
  return { now: field('VmRSS'), most: field('VmHWM') };
}
