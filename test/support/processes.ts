import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Processes whose environment holds this text. */
export function processesWith(text: string): { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'utf8').includes(text)) return [];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return command === '' ? [] : [{ pid: Number(name), command }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

/** Sends a signal to a process that may have ended meanwhile. */
export function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** As `until`, for 20 s at most: what holds then is for an assertion to say. */
export async function soon(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let n = 0; n < 400 && !(await condition()); n++) await sleep(50);
}

/** Waits for a condition; the test's own time-out ends a wait that is in vain. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (;;) {
    try {
      if (await condition()) return;
    } catch {
      // Not yet.
    }
    await sleep(50);
  }
}
