import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';

/** Numbers of system calls, the same on every architecture since Linux 5.6. */
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

/**
 * Keeps the FUSE device of a process open here: when the process is killed, the kernel goes on waiting for answers that
 * nobody gives, as it does while one of the process's own threads hangs in the kernel. Returns what lets go of it.
 */
export function holdConnection(pid: number): () => void {
  const syscall = koffi.load('libc.so.6').func('long syscall(long, long, long, long)');
  const folder = `/proc/${pid}/fd`;
  const device = readdirSync(folder).find((fd) => linkOf(join(folder, fd)) === '/dev/fuse');
  if (device === undefined) throw new Error(`process ${pid} has no FUSE device open`);
  const process = Number(syscall(PIDFD_OPEN, pid, 0, 0));
  const held = Number(syscall(PIDFD_GETFD, process, Number(device), 0));
  closeSync(process);
  if (held < 0) throw new Error(`pidfd_getfd failed for process ${pid}`);
  return () => closeSync(held);
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return undefined;
  }
}
