import { readFileSync } from 'node:fs';

/** Time since this machine booted: every process reads the same, and setting the clock does not move it. */
export interface BootClock {
  /** Changes with each boot. */
  readonly id: string;
  /** Milliseconds. */
  now(): number;
}

export const systemBoot: BootClock = {
  id: bootId(),
  now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
};

function bootId(): string {
  try {
    // proc(5): a random UUID made at boot.
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

/** How the server's clock stands to this machine's; shared by the processes through the ledger. Milliseconds. */
export interface ClockState {
  bootId: string;
  /** Server time = time since boot + offset; at or a little behind the truth, never ahead. */
  offset: number;
  /** Server time − this machine's clock, to begin with after the next boot. */
  wallOffset: number;
  /** An offset that one reply spoke for and that does not fit; the next reply decides. */
  suspect: number | undefined;
  /** A reply has been seen. */
  synced: boolean;
}

export const initialClock: ClockState = { bootId: '', offset: 0, wallOffset: 0, suspect: undefined, synced: false };

/** The state for the present boot. */
export const afterBoot = (state: ClockState, boot: BootClock, wallNow: number): ClockState =>
  state.bootId === boot.id
    ? state
    : { ...state, bootId: boot.id, offset: wallNow + state.wallOffset - boot.now(), suspect: undefined };

/** The HTTP `Date` has whole seconds; what a reply's way back adds is unknown. Differences below are no jump. */
const TOLERANCE = 2500;

/**
 * The state after a reply with `date` (s): sent and received at these times since boot. A jump of the server's clock
 * is believed when two replies agree on it; the very first reply is believed at once.
 */
export function sync(state: ClockState, date: number, sent: number, received: number, wallNow: number): ClockState {
  // When the reply was made the server's clock was in [date, date + 1 s), and that was between sent and received.
  const least = date * 1000 - received;
  const most = date * 1000 + 1000 - sent;
  const settle = (offset: number): ClockState => ({
    ...state,
    offset,
    wallOffset: received + offset - wallNow,
    suspect: undefined,
    synced: true,
  });
  if (!state.synced) return settle(least);
  if (state.offset >= least - TOLERANCE && state.offset <= most + TOLERANCE) {
    return settle(Math.min(Math.max(state.offset, least), most));
  }
  const agreed = state.suspect !== undefined && Math.abs(state.suspect - least) < TOLERANCE;
  return agreed ? settle(least) : { ...state, suspect: least };
}
