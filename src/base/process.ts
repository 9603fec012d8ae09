import { readFileSync } from 'node:fs';

/** Clock ticks of /proc in a second: sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on. */
const TICKS = 100;
/** Both times are rounded, seconds. */
const SLACK_S = 2;

/**
 * Whether a process is there and was there already at a time (milliseconds since the epoch): another one that got the
 * same number later does not count.
 */
export function ranSince(pid: number, time: number): boolean {
  try {
    // proc(5): field 22 of stat is the start in ticks since boot, field 3 the state; the name may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return false;
    const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'));
    return Number(boot?.[1]) + Number(fields[19]) / TICKS <= time / 1000 + SLACK_S;
  } catch {
    return false;
  }
}
