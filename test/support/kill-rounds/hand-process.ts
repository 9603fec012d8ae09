import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';
import { randomBy } from '../random.js';
import {
  type Content,
  contentOf,
  type HandAnswer,
  type HandEvent,
  type HandResult,
  type HandTask,
  type Look,
  timeNow,
} from './contents.js';

/**
 * Runs in a process of its own: programs that change files at a mount, each call only when the one before has returned.
 * No other program starts while a file is open here: its copy of the descriptor would be closed, which counts as close(2).
 */

const [mnt, who, down] = process.argv.slice(2) as [string, string, string];
const send = (answer: HandAnswer): void => void process.send!(answer);

const libc = koffi.load('libc.so.6');
const fgetxattr = libc.func('long fgetxattr(int, const char *, void *, size_t)');
const renameat2 = libc.func('int renameat2(int, const char *, int, const char *, unsigned int)');
const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;

/** Names that come again, so that files take each other's places. */
const NAMES = 6;
const FOLDERS = ['d', 'e', 'f'];
const LARGEST = 200_000;
/** Bytes a write(2). */
const STEP = 30_000;
/** Milliseconds between two programs, at most. */
const PAUSE = 12;

let random = randomBy(0);
let area = '';
let count = 0;
let acts = 0;
/** A file that stays open while other programs go on. */
let held:
  | {
      readonly fd: number;
      readonly inode: number;
      readonly path: string;
      readonly act: number;
      readonly content: Content;
    }
  | undefined;

/** A call that failed: the program ends, and its person lives with it. */
class Told extends Error {}

const tell = (event: HandEvent): void => send({ event });
const at = (path: string): string => join(mnt, path);
const integer = (below: number): number => Math.floor(random() * below);
const pick = <T>(from: readonly T[]): T | undefined => from[integer(from.length)];
/** Nothing is mounted, or something that is dead. */
const isDown = (): boolean => existsSync(down);

/** Unlike any other. */
function fresh(): Buffer {
  const size = random() < 0.06 ? integer(LARGEST) : integer(2000);
  const stamp = `${who} ${String(count++).padStart(6, '0')}|`;
  return Buffer.alloc(stamp.length * 2 + size, stamp);
}

function code(error: unknown): string {
  const found = (error as NodeJS.ErrnoException).code;
  if (found === undefined) throw error;
  return found;
}

/** Undefined where there is no such file. */
function look(path: string): Look | undefined {
  let fd: number;
  try {
    fd = openSync(at(path), 'r');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(code(error))) return undefined;
    throw new Told(code(error));
  }
  try {
    return { path, id: idOf(fd), ...contentOfOther(fd) };
  } catch (error) {
    throw error instanceof Told ? error : new Told(code(error));
  } finally {
    quietlyClose(fd);
  }
}

/**
 * What is there, unless it is the file that stays open: two who write to one open file make a mixture, which is nobody's.
 * A colleague may have moved it, or saved it as well, so that it stands beside under another number.
 */
function contentOfOther(fd: number): Content {
  if (fstatSync(fd).ino === held?.inode) throw new Told('it is open');
  const content = contentOf(readFileSync(fd));
  if (held && stampOf(content) === stampOf(held.content)) throw new Told('it is open');
  return content;
}

const stampOf = ({ label }: Content): string => label.replace(/ \(.*/, '');

function idOf(fd: number): number {
  const value = Buffer.alloc(64);
  const size = Number(fgetxattr(fd, 'user.procore.id', value, value.length));
  return size > 0 ? Number(value.subarray(0, size).toString()) : 0;
}

function quietlyClose(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // The daemon was killed.
  }
}

interface Act {
  readonly paths: readonly string[];
  readonly looks?: readonly (Look | undefined)[];
  readonly grows?: boolean;
}

function begin(what: string, { paths, looks = [], grows = false }: Act): number {
  const act = ++acts;
  tell({ at: 'begin', act, what, paths, looks: looks.filter((one) => one !== undefined), grows, time: timeNow() });
  return act;
}

/** One act: after an error the program ends. */
function act(what: string, more: Act, work: (act: number) => void): void {
  const own = begin(what, more);
  step(own, () => work(own));
  tell({ at: 'end', act: own, error: undefined });
}

function step(own: number, work: () => void): void {
  try {
    work();
  } catch (error) {
    tell({ at: 'end', act: own, error: code(error) });
    throw new Told(code(error));
  }
}

/** Writes from one position to the end. */
function writeFrom(own: number, fd: number, bytes: Uint8Array, from: number): void {
  for (let done = from; done < bytes.length; ) {
    tell({ at: 'writes', act: own });
    done += writeSync(fd, bytes, done, Math.min(STEP, bytes.length - done), done);
    tell({ at: 'wrote', act: own, content: contentOf(bytes.subarray(0, done)), time: timeNow() });
  }
}

function complete(own: number, bytes: Uint8Array, call: () => void): void {
  const contents = [contentOf(bytes)];
  tell({ at: 'completes', act: own, contents });
  call();
  tell({ at: 'acknowledged', act: own, contents });
}

/** Opens a file to be written anew: one that was looked at, or else one that is not there. */
function openAnew(own: number, path: string, before: Look | undefined): number {
  const fd = openSync(at(path), before ? 'w' : 'wx');
  tell({ at: 'opened', act: own, inode: fstatSync(fd).ino });
  return fd;
}

function write(path: string, withSync = false, before = look(path)): void {
  const bytes = fresh();
  act(`writes ${path}`, { paths: [path], looks: [before] }, (own) => {
    const fd = openAnew(own, path, before);
    try {
      writeFrom(own, fd, bytes, 0);
      if (withSync) complete(own, bytes, () => fsyncSync(fd));
    } catch (error) {
      quietlyClose(fd);
      throw error;
    }
    complete(own, bytes, () => closeSync(fd));
  });
}

function append(path: string): void {
  let fd: number;
  try {
    fd = openSync(at(path), 'r+');
  } catch (error) {
    throw new Told(code(error));
  }
  let before: Look;
  let inode: number;
  try {
    before = { path, id: idOf(fd), ...contentOfOther(fd) };
    inode = fstatSync(fd).ino;
  } catch (error) {
    quietlyClose(fd);
    throw error instanceof Told ? error : new Told(code(error));
  }
  act(`appends to ${path}`, { paths: [path], looks: [before], grows: true }, (own) => {
    tell({ at: 'opened', act: own, inode });
    let bytes = Buffer.concat([before.bytes, fresh()]);
    try {
      writeFrom(own, fd, bytes, before.bytes.length);
      complete(own, bytes, () => fsyncSync(fd));
      if (random() < 0.4) {
        const done = bytes.length;
        bytes = Buffer.concat([bytes, fresh()]);
        writeFrom(own, fd, bytes, done);
      }
    } catch (error) {
      quietlyClose(fd);
      throw error;
    }
    complete(own, bytes, () => closeSync(fd));
  });
}

/** Opens a file, writes half of it and leaves it open. Now and then that much is synced. */
function hold(path: string): void {
  const before = look(path);
  const bytes = fresh();
  const half = bytes.subarray(0, bytes.length >> 1);
  const own = begin(`opens ${path}`, { paths: [path], looks: [before] });
  step(own, () => {
    const fd = openAnew(own, path, before);
    try {
      writeFrom(own, fd, half, 0);
      if (random() < 0.5) complete(own, half, () => fsyncSync(fd));
    } catch (error) {
      quietlyClose(fd);
      throw error;
    }
    held = { fd, inode: fstatSync(fd).ino, path, act: own, content: contentOf(bytes) };
  });
}

function finish(): void {
  if (!held) return;
  const { fd, act: own, content } = held;
  held = undefined;
  let isOpen = true;
  try {
    step(own, () => {
      writeFrom(own, fd, content.bytes, content.bytes.length >> 1);
      complete(own, content.bytes, () => {
        isOpen = false;
        closeSync(fd);
      });
    });
    tell({ at: 'end', act: own, error: undefined });
  } finally {
    if (isOpen) quietlyClose(fd);
  }
}

/** As editors save: a new file, renamed over the old one. */
function save(path: string): void {
  const temporary = random() < 0.1 ? `${area}/${count}.tmp` : `${area}/new ${who} ${count}.txt`;
  write(temporary, random() < 0.7, undefined);
  moveOver(temporary, path);
}

/** As other editors save: the old file is kept under another name until the new one is written. */
function saveWithBackup(path: string): void {
  const before = look(path);
  if (!before) return;
  const backup = random() < 0.2 ? `${path}~` : `${path} ${count}.bak`;
  act(`moves ${path} to ${backup}`, { paths: [] }, () => renameTo(path, backup));
  write(path, false, undefined);
  const kept = look(backup);
  act(`removes ${backup}`, { paths: [path, backup], looks: [before, kept] }, () => unlinkSync(at(backup)));
}

function renameTo(from: string, to: string): void {
  if (renameat2(AT_FDCWD, at(from), AT_FDCWD, at(to), RENAME_NOREPLACE) === 0) return;
  const name = getSystemErrorName(-koffi.errno());
  throw Object.assign(new Error(name), { code: name });
}

function moveOver(from: string, to: string): void {
  const over = look(to);
  act(`moves ${from} to ${to}`, { paths: [to], looks: [over] }, () => {
    if (over) renameSync(at(from), at(to));
    else renameTo(from, to);
  });
}

function remove(path: string): void {
  const before = look(path);
  act(`removes ${path}`, { paths: [path], looks: [before] }, () => unlinkSync(at(path)));
}

/** `rm -r`: as a program, or call by call. */
function removeAll(folder: string): void {
  const inside = listed(folder);
  if (!held && random() < 0.4) {
    const looks = inside.filter(({ isFile }) => isFile).map(({ path }) => look(path));
    // It lists the folder once more, whatever that is called at the server.
    act(`rm -r ${folder}`, { paths: [`${area}/`], looks }, () => ran('rm', '-r', at(folder)));
    return;
  }
  for (const { path, isFile } of inside.reverse())
    if (isFile) remove(path);
    else act(`rmdir ${path}`, { paths: [] }, () => rmdirSync(at(path)));
  act(`rmdir ${folder}`, { paths: [] }, () => rmdirSync(at(folder)));
}

/** `cp -r` of a few files from elsewhere. */
function copy(): void {
  const from = mkdtempSync(join(tmpdir(), 'procorefs-copied-'));
  try {
    const contents = Array.from({ length: 2 + integer(4) }, (_, n) => {
      const bytes = fresh();
      writeFileSync(join(from, `${n}.txt`), bytes);
      return contentOf(bytes);
    });
    const to = `${area}/copy ${who} ${count}`;
    act(`cp -r to ${to}`, { paths: [`${to}/`] }, (own) => {
      tell({ at: 'completes', act: own, contents });
      ran('cp', '-r', from, at(to));
      tell({ at: 'acknowledged', act: own, contents });
    });
  } finally {
    rmSync(from, { recursive: true });
  }
}

function ran(program: string, ...words: string[]): void {
  const { status, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw Object.assign(new Error(stderr), { code: `exit ${status}: ${stderr.slice(0, 200)}` });
}

interface Listed {
  readonly path: string;
  readonly isFile: boolean;
}

/** Parents before children. */
function listed(folder: string): Listed[] {
  const found: Listed[] = [];
  const walk = (path: string): void => {
    for (const entry of readdirSync(at(path), { withFileTypes: true })) {
      const own = path === '' ? entry.name : `${path}/${entry.name}`;
      found.push({ path: own, isFile: entry.isFile() });
      if (entry.isDirectory()) walk(own);
    }
  };
  try {
    walk(folder);
  } catch (error) {
    throw new Told(code(error));
  }
  return found;
}

function one() {
  const all = listed(area);
  const isFree = (path: string): boolean => path !== held?.path;
  const files = all.filter(({ path, isFile }) => isFile && isFree(path)).map(({ path }) => path);
  const folders = all.filter(({ isFile }) => !isFile).map(({ path }) => path);
  const file = pick(files);
  const folder = pick(folders.filter((path) => !held?.path.startsWith(`${path}/`)));
  const place = `${pick([area, area, ...folders])}/${integer(NAMES)}.txt`;
  const draw = random() * 100;
  if (held && draw < 25) return finish();
  if (!isFree(place)) return;
  if (draw < 14 || (file === undefined && draw < 60)) return write(place, random() < 0.3);
  if (draw < 20) return held ? undefined : copy();
  if (draw < 27) {
    const made = `${pick([area, ...folders])}/${pick(FOLDERS)}`;
    return act(`mkdir ${made}`, { paths: [] }, () => mkdirSync(at(made)));
  }
  if (folder !== undefined && draw < 33) return removeAll(folder);
  if (folder !== undefined && draw < 40) {
    const to = `${area}/${pick(FOLDERS)} ${integer(3)}`;
    return act(`mv ${folder} ${to}`, { paths: [] }, () => renameTo(folder, to));
  }
  if (file === undefined) return;
  if (draw < 52) return append(file);
  if (draw < 60) return write(file, random() < 0.3);
  if (draw < 66 && !held) return hold(random() < 0.5 ? place : file);
  if (draw < 76) return save(file);
  if (draw < 80) return saveWithBackup(file);
  if (draw < 88) return remove(file);
  const over = pick(files.filter((path) => path !== file));
  return moveOver(file, random() < 0.6 && over !== undefined ? over : place);
}

/** Works until all steps are done; while the mount is down, it waits. */
async function work({ area: own, steps, seed }: Extract<HandTask, { do: 'work' }>): Promise<void> {
  random = randomBy(seed);
  area = own;
  for (let n = 0; n <= steps; n++) {
    while (isDown()) await sleep(10);
    try {
      if (n < steps) one();
      else finish();
    } catch (error) {
      if (!(error instanceof Told)) throw error;
    }
    await sleep(random() * PAUSE);
  }
}

function list(): Map<string, string | undefined> {
  return new Map(
    listed('').map(({ path, isFile }) => [path, isFile ? contentOf(readFileSync(at(path))).sum : undefined]),
  );
}

async function answer(task: HandTask): Promise<HandResult> {
  try {
    if (task.do === 'list') return { tree: list() };
    if (task.do === 'read') {
      const content = look(task.path);
      return content ? { content } : {};
    }
    await work(task);
    return {};
  } catch (error) {
    return { fault: (error as Error).stack ?? String(error) };
  }
}

process.once('disconnect', () => process.exit());
process.on('message', (task: HandTask) => {
  void answer(task).then((result) => send({ result }));
});
