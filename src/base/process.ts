import { readFileSync } from 'node:fs';

/** Clock ticks per second in /proc: sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on. */
const TICKS = 100;
/** Tolerance in seconds, as both times are rounded. */
const SLACK_S = 2;

/**
 * Whether a process exists and was already running at a time (milliseconds since the epoch). A later process with the
 * same pid does not count.
 */
export function ranSince(pid: number, time: number): boolean {
  try {
    // proc(5): field 22 of stat is the start in ticks since boot, field 3 the state; the name may contain anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return false;
    const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'));
    return Number(boot?.[1]) + Number(fields[19]) / TICKS <= time / 1000 + SLACK_S;
  } catch {
    return false;
  }
}
