import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import Reporter from './reporter.js';

/** Files at a time: half of them wait for a mount or a socket, and two cores are to be enough for the rest. */
const JOBS = 8;
/** Files that take half a minute or more, mostly waiting: they begin first, so that none is left alone at the end. */
const LONG = [
  'interleave/outbox-1',
  'interleave/outbox-2',
  'interleave/jobs',
  'daemon/packages',
  'endpoints/rsync',
  'cli/secrets',
  'daemon/pending',
  'server/page',
  'cli/bad-input',
  'daemon/renamed',
  'mirror/index-forms',
  'daemon/programs',
  'server/serving',
  'daemon/orphan',
  'daemon/offline',
  'endpoints/rclone',
  'outbox/deletion',
  'daemon/mount',
  'daemon/coherence',
].map((name) => `${name}.test.js`);
const LEAN = new URL('support/lean.js', import.meta.url).href;
/** Seconds that a file may take, on a busy machine as well. */
const TIMEOUT = 1200;

/**
 * Runs the test files that are named, or all of them. tap's own command line would watch in every process which modules
 * it loads (its hooks come with NODE_OPTIONS): that doubles what the start of a process costs, and the tests start many.
 */
const { NODE_OPTIONS: _, ...environment } = process.env;
const env = { ...environment, TAP_TIMEOUT: String(TIMEOUT) };
const named = process.argv.slice(2);
const files = named.length > 0 ? named : all();

t.pipe(new Reporter()).pipe(process.stdout);
t.register();
t.setTimeout(0);
t.jobs = JOBS;
for (const name of files) {
  void t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, '--import', LEAN, name], {
    name,
    env,
    buffered: true,
    timeout: TIMEOUT * 1000,
  });
}
t.end();

function all(): string[] {
  const root = fileURLToPath(new URL('.', import.meta.url));
  const found = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.js'));
  const turn = (name: string): number => (LONG.includes(name) ? LONG.indexOf(name) : LONG.length);
  return found
    .sort((a, b) => turn(a) - turn(b) || (a < b ? -1 : 1))
    .map((name) => relative(process.cwd(), join(root, name)));
}
