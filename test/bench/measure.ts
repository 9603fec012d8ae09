import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Milliseconds that a shell command takes; its output is thrown away. Rejects unless it succeeds. */
export async function time(command: string): Promise<number> {
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (status) => (status === 0 ? resolve() : reject(new Error(`${command}: ${status}`))));
  });
  return performance.now() - start;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The smallest value that at least `share` of all do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))] ?? Number.NaN;
}

/** The median of the ratios pair by pair: what slows the machine down for a while hits both of a pair. */
export function pairedRatio(slower: readonly number[], faster: readonly number[]): number {
  return median(slower.map((value, i) => value / faster[i]!));
}

/** Milliseconds, as in a list of runs. */
export const runs = (values: readonly number[]): string => `${values.map((value) => value.toFixed(0)).join('/')} ms`;

/** Resident memory of a process in MB: now, and the most since it began. */
export function memory(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}
