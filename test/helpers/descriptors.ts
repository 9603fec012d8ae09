import { readdirSync } from 'node:fs';
import koffi from 'koffi';

/** From `sys/resource.h`. */
const RLIMIT_NOFILE = 7;

const prlimit = koffi.load('libc.so.6').func('int prlimit(int pid, int resource, const void *limit, void *before)') as (
  pid: number,
  resource: number,
  limit: BigUint64Array | null,
  before: BigUint64Array | null,
) => number;

/**
 * From now on this process can open nothing more, as where too much is open already: EMFILE. With `reused`: as many
 * numbers as it closes of the highest that it has now.
 * @returns what ends that
 */
export function takeDescriptors(reused = false): () => void {
  const before = new BigUint64Array(2);
  if (prlimit(0, RLIMIT_NOFILE, null, before) !== 0) throw new Error('prlimit failed');
  // What is open stays so; of what is free there is no number below this one.
  const highest = Math.max(...readdirSync('/proc/self/fd').map(Number));
  const limit = new BigUint64Array([reused ? BigInt(highest + 1) : 3n, before[1]!]);
  if (prlimit(0, RLIMIT_NOFILE, limit, null) !== 0) throw new Error('prlimit failed');
  return () => void prlimit(0, RLIMIT_NOFILE, before, null);
}

/** From `sys/resource.h`. */
export const RESOURCES = { files: RLIMIT_NOFILE, memory: 9 } as const;

/** Limits what another process may have open, or its address space in bytes. @returns what ends that */
export function limited(pid: number, resource: keyof typeof RESOURCES, most: number): () => void {
  const before = new BigUint64Array(2);
  const number = RESOURCES[resource];
  if (prlimit(pid, number, null, before) !== 0) throw new Error(`prlimit of ${pid} failed`);
  if (prlimit(pid, number, new BigUint64Array([BigInt(most), before[1]!]), null) !== 0)
    throw new Error(`prlimit of ${pid} failed`);
  return () => void prlimit(pid, number, before, null);
}
