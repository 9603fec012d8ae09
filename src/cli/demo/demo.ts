import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Failure } from '../../base/errors.js';
import type { MountStatus } from '../../daemon/status.js';
import type { Ready } from '../../simulator/simulator.js';
import type { Command, CommandContext } from '../command.js';
import { bytes, plural } from '../format.js';
import { ensurePackages } from '../packages.js';
import { Shell } from '../shell.js';

interface TreeItem {
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly size: number;
  readonly sha256: string;
}

/** Number of items in the generated project. */
const ITEMS = 300;

export const demo: Command = {
  name: 'demo',
  arguments: '[mountpoint]',
  summary: 'the main job with nothing configured: a simulated project, mounted, read, copied, written to',
  flags: [{ flags: '--keep', help: 'leave the mount up until Ctrl-C' }],
  run: runDemo,
};

async function runDemo(context: CommandContext): Promise<void> {
  const say = (line: string): void => context.print(line);
  ensurePackages(process.getuid?.() === 0 ? ['rsync', 'attr'] : ['rsync', 'attr', 'fuse3'], say);
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-demo-'));
  const given = context.args[0];
  const mountpoint = given === undefined ? join(folder, 'mnt') : resolve(given);
  const shell = new Shell({ ...process.env, PROCOREFS_STATE: join(folder, 'state') }, say);
  let simulator: ChildProcess | undefined;
  let mounted = false;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    if (given === undefined) mkdirSync(mountpoint);
    say('Starting a simulated Procore: nothing leaves this machine.');
    const started = await shell.start(['simulate', '--items', String(ITEMS), '--seed', 'demo', '--odd-names', 'no']);
    simulator = started.child;
    const ready = JSON.parse(started.line) as Ready;
    await connect(shell, ready);
    const project = ready.projects[0]!;
    await shell.show('procorefs', ['mount', `Procore:${project.name}`, mountpoint]);
    mounted = true;
    stop.signal.throwIfAborted();
    await look(shell, ready, mountpoint, join(folder, 'copy'), say);
    await save(shell, ready, mountpoint, say);
    await copyOut(shell, ready, `Procore:${project.name}`, join(folder, 'share'), say);
    if (context.flags.keep) {
      say(`\nThe mount stays at ${mountpoint} until Ctrl-C.`);
      await new Promise<void>((done) => stop.signal.addEventListener('abort', () => done(), { once: true }));
    }
    await shell.show('procorefs', ['umount', mountpoint]);
    mounted = false;
    say('\nDone: unmounted, nothing left behind.');
  } finally {
    if (mounted) await shell.procorefs(['umount', '--force', mountpoint]).catch((error) => say(String(error)));
    if (simulator) await ended(simulator);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function connect(shell: Shell, ready: Ready): Promise<void> {
  await shell.show(
    'procorefs',
    [
      'connections',
      'add',
      '--client-id',
      ready.client_id,
      '--client-secret-file',
      '-',
      '--domain',
      ready.login,
      '--api',
      ready.api,
      '--company',
      String(ready.company_id),
    ],
    { input: ready.client_secret },
  );
}

/** Lists, reads and copies the mounted project, and prints the number of API calls. */
async function look(
  shell: Shell,
  ready: Ready,
  mountpoint: string,
  copy: string,
  say: (line: string) => void,
): Promise<void> {
  await shell.show('ls', ['-l', mountpoint]);
  await shell.show('procorefs', ['status', '--watch', mountpoint]);
  await shell.show('find', [mountpoint, '-type', 'f', '-size', '+1M', '-printf', '%10s  %P\\n'], { lines: 5 });

  const tree = await treeOf(ready);
  const file = tree.filter((item) => item.type === 'file' && item.size > 0).sort((a, b) => b.size - a.size)[0];
  if (!file) throw new Failure('demo-failed', { command: 'tree', why: 'the project has no file' });
  const sum = (await shell.show('sha256sum', [join(mountpoint, file.path)])).slice(0, 64);
  if (sum !== file.sha256) throw new Failure('demo-failed', { command: 'sha256sum', why: 'the bytes differ' });
  say(`  equal to what the server has: ${file.sha256.slice(0, 16)}…`);

  await shell.show('rsync', ['-a', '--stats', `${mountpoint}/`, `${copy}/`], { lines: 6 });
  await compare(tree, copy);
  say('  every file of the copy has the checksum that the server says');
  const again = await shell.run('rsync', ['-a', '--stats', `${mountpoint}/`, `${copy}/`]);
  say(`  a second rsync: ${/transferred: [\d,]+/.exec(again)?.[0] ?? '?'}`);

  const status = JSON.parse(await shell.procorefs(['status', '--json', mountpoint])) as MountStatus;
  const { interactive, background, job } = status.budget.spent;
  const files = tree.filter((item) => item.type === 'file');
  say(
    `\nMirrored ${plural(status.crawl.items, 'item')}, read ${plural(files.length, 'file')} of ` +
      `${bytes(files.reduce((sum, item) => sum + item.size, 0))}, ${bytes(status.cache.fetchedBytes)} came over the network.`,
  );
  say(
    `API calls: ${interactive + background + job} of ${status.budget.hour.limit} an hour ` +
      `(${interactive} for people, ${background} in the background).`,
  );
}

/** Saves a document as editors do: writes the content to a new file in its folder and renames that over it. */
async function save(shell: Shell, ready: Ready, mountpoint: string, say: (line: string) => void): Promise<void> {
  const name = 'minutes.txt';
  const path = join(mountpoint, name);
  const text = 'Agreed on Tuesday.\n';
  say('\nSaving a document the way editors do:');
  await shell.run('tee', [path], 'To be agreed.\n');
  await shell.procorefs(['drain', mountpoint]);
  const before = await identity(shell, path);
  await shell.show('tee', [`${path}.tmp`], { input: text });
  await shell.show('mv', [`${path}.tmp`, path]);
  await shell.show('procorefs', ['drain', mountpoint]);
  const after = await identity(shell, path);
  const there = (await treeOf(ready)).find((item) => item.path === name);
  const isSaved = there?.sha256 === createHash('sha256').update(text).digest('hex');
  if (!isSaved || after.id !== before.id || Number(after.version) !== Number(before.version) + 1)
    throw new Failure('demo-failed', { command: `mv ${path}.tmp ${path}`, why: 'it is not one version more' });
  say(
    `  user.procore.version ${before.version} → ${after.version}, user.procore.id ${after.id} as before: one new version`,
  );
}

async function identity(shell: Shell, path: string): Promise<{ readonly id: string; readonly version: string }> {
  const attribute = async (name: string): Promise<string> =>
    (await shell.run('getfattr', ['--only-values', '-n', `user.procore.${name}`, path])).trim();
  return { id: await attribute('id'), version: await attribute('version') };
}

const treeOf = async (ready: Ready): Promise<TreeItem[]> =>
  (await (await fetch(`${ready.admin}/tree`)).json()) as TreeItem[];

/** Copies the project to a folder with a job in the mount's daemon; a second run finds nothing to copy. */
async function copyOut(
  shell: Shell,
  ready: Ready,
  source: string,
  share: string,
  say: (line: string) => void,
): Promise<void> {
  await shell.show('procorefs', ['jobs', 'add', 'copy-out', '--from', source, '--to', share], { lines: 1 });
  await shell.show('procorefs', ['jobs', 'estimate', 'copy-out'], { lines: 4 });
  await shell.show('procorefs', ['jobs', 'run', 'copy-out', '--wait']);
  await compare((await (await fetch(`${ready.admin}/tree`)).json()) as TreeItem[], share, 'jobs run');
  say('  every file of the share has the checksum that the server says');
  await shell.show('procorefs', ['jobs', 'run', 'copy-out', '--wait'], { lines: 2 });
}

/** @throws Failure `demo-failed` naming the first file that differs */
async function compare(tree: readonly TreeItem[], copy: string, command = 'rsync'): Promise<void> {
  for (const item of tree) {
    if (item.type !== 'file') continue;
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(copy, item.path))) hash.update(chunk as Buffer);
    if (hash.digest('hex') !== item.sha256) throw new Failure('demo-failed', { command, why: `${item.path} differs` });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((done) => child.once('exit', () => done()));
  child.kill('SIGTERM');
  const limit = setTimeout(() => child.kill('SIGKILL'), 5000);
  await exit;
  clearTimeout(limit);
}
