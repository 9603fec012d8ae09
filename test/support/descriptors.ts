import { readdirSync } from 'node:fs';
import koffi from 'koffi';

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
  // What is open stays so; of what is free there is no number below this one.
  const highest = Math.max(...readdirSync('/proc/self/fd').map(Number));
  return limited(0, 'files', reused ? highest + 1 : 3);
}

/** From `sys/resource.h`. */
const RESOURCES = { files: 7, memory: 9 } as const;

/** Limits what a process (0: this one) may have open, or its address space in bytes. @returns what ends that */
export function limited(pid: number, resource: keyof typeof RESOURCES, most: number): () => void {
  const before = new BigUint64Array(2);
  const number = RESOURCES[resource];
  if (prlimit(pid, number, null, before) !== 0) throw new Error(`prlimit of ${pid} failed`);
  if (prlimit(pid, number, new BigUint64Array([BigInt(most), before[1]!]), null) !== 0)
    throw new Error(`prlimit of ${pid} failed`);
  return () => void prlimit(pid, number, before, null);
}
