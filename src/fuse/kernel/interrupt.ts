import { readFileSync } from 'node:fs';

/**
 * Signals that inform a process without ending its work (signal(7), numbers of x86 and ARM): CHLD, CONT, STOP, TSTP,
 * TTIN, TTOU, URG, ALRM, VTALRM, PROF, WINCH, IO.
 */
const HARMLESS = [17, 18, 19, 20, 21, 22, 23, 14, 26, 27, 28, 29].reduce((mask, n) => mask | (1n << BigInt(n - 1)), 0n);

/**
 * Whether a request must be abandoned after an interrupt. The kernel interrupts a request for any signal that its
 * caller handles, also for frequent ones (a child ended, a timer, Go's scheduler). A file system on disk would
 * continue, and programs do not expect EINTR from a file. So a request is abandoned only if a pending signal ends the
 * caller or was sent by a person.
 *
 * @param thread the caller as the request names it; 0 if it is not visible from here
 */
export function isBeingEnded(thread: number): boolean {
  if (thread === 0) return true;
  let status: string;
  try {
    status = readFileSync(`/proc/${thread}/status`, 'latin1');
  } catch {
    return true;
  }
  const mask = (field: string): bigint => {
    const digits = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
    return digits === undefined ? 0n : BigInt(`0x${digits}`);
  };
  const waiting = (mask('SigPnd') | mask('ShdPnd')) & ~mask('SigBlk');
  return (waiting & ~HARMLESS) !== 0n;
}
