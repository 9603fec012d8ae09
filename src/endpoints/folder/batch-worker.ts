import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import type { BatchFile, BatchOutcome } from './batch-protocol.js';
import { syncFileSystemNow } from './kernel.js';
import { isOwnerOnly } from './modes.js';
import { nameFileNow } from './rename.js';

/**
 * Number of files from which on one syncfs(2) is used; fewer are synced by an fsync(2) each, which does not flush other
 * programs' data.
 */
const SYNCFS_FILES = 8;
/** Maximum number of files that wait for one sync: each needs a descriptor. */
const MOST_FILES = 256;

interface Part {
  readonly file: BatchFile;
  readonly fd: number;
}

interface Named {
  readonly file: BatchFile;
  readonly outcome: BatchOutcome;
}

const port = parentPort as MessagePort;
const buffer = Buffer.allocUnsafe(1 << 20);
/** Renamed files whose names are not on the disk yet. */
let named: Named[] = [];

port.on('message', (first: readonly BatchFile[]) => {
  for (let files: BatchFile[] = [...first]; files.length > 0; ) {
    while (files.length < MOST_FILES) {
      const more = receiveMessageOnPort(port)?.message as readonly BatchFile[] | undefined;
      if (!more) break;
      files.push(...more);
    }
    together(files);
    files = [...((receiveMessageOnPort(port)?.message as readonly BatchFile[] | undefined) ?? [])];
  }
  finish();
});

/** Writes all bytes to the disk first, then the names. The names of one turn are synced with the next turn. */
function together(files: readonly BatchFile[]): void {
  const failed: BatchOutcome[] = [];
  const parts: Part[] = [];
  for (const file of files) {
    const part = attempt(() => written(file));
    if (part) parts.push(part);
    else failed.push({ id: file.id });
  }
  const isSynced = parts.length >= SYNCFS_FILES && syncFileSystemNow(parts[0]!.fd);
  const before = named;
  named = [];
  for (const part of parts) {
    const outcome = attempt(() => publish(part, isSynced));
    if (outcome) named.push({ file: part.file, outcome });
    else {
      failed.push({ id: part.file.id });
      attempt(() => unlinkSync(at(part.file, part.file.part)));
    }
    closeSync(part.fd);
  }
  if (failed.length > 0) port.postMessage(failed);
  if (isSynced) tell(before);
  else named.unshift(...before);
}

const at = ({ place }: BatchFile, name: string): string => `${place}/${name}`;

/** Undefined: it failed; the caller repeats it on the usual path, which reports the reason. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

function written(file: BatchFile): Part | undefined {
  if (isThere(at(file, file.name)) || fstatSync(file.source).size !== file.size) return undefined;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const part = at(file, file.part);
  const fd = openSync(part, flags, file.mode);
  try {
    if (isOwnerOnly(file.mode)) fchmodSync(fd, file.mode);
    for (let done = 0; done < file.size; ) {
      const got = readSync(file.source, buffer, 0, Math.min(buffer.length, file.size - done), done);
      if (got === 0) throw new Error('the source is shorter');
      for (let put = 0; put < got; ) put += writeSync(fd, buffer, put, got - put, done + put);
      done += got;
    }
    if (file.mtime !== undefined) attempt(() => futimesSync(fd, file.mtime!, file.mtime!));
    return { file, fd };
  } catch {
    closeSync(fd);
    attempt(() => unlinkSync(part));
    return undefined;
  }
}

/** @throws EEXIST: the name is taken */
function publish({ file, fd }: Part, isSynced: boolean): BatchOutcome | undefined {
  if (!isSynced) fsyncSync(fd);
  const { size, mtimeMs } = fstatSync(fd);
  if (size !== file.size) return undefined;
  nameFileNow(at(file, file.part), at(file, file.name));
  return { id: file.id, size, mtime: mtimeMs };
}

/** No more files are queued: the pending names are synced now. */
function finish(): void {
  if (named.length === 0) return;
  const waiting = named;
  named = [];
  const isSynced = waiting.length >= SYNCFS_FILES && syncFileSystemNow(waiting[0]!.file.folder);
  const folders = new Set(isSynced ? [] : waiting.map(({ file }) => file.folder));
  const broken = new Set([...folders].filter((folder) => !syncedAlone(folder)));
  tell(waiting.map((one) => (broken.has(one.file.folder) ? { ...one, outcome: { id: one.file.id } } : one)));
}

function syncedAlone(fd: number): boolean {
  try {
    fsyncSync(fd);
    return true;
  } catch {
    return false;
  }
}

function tell(done: readonly Named[]): void {
  if (done.length > 0) port.postMessage(done.map(({ outcome }) => outcome));
}
