import { readFileSync } from 'node:fs';

/** Time since this machine booted: equal for all processes, and not affected by setting the clock. */
export interface BootClock {
  /** Differs for each boot. */
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

/** Relation of the server's clock to this machine's; shared by the processes through the ledger. Milliseconds. */
export interface ClockState {
  bootId: string;
  /** Server time = time since boot + offset; exact or a little behind the server's clock, never ahead. */
  offset: number;
  /** Server time − this machine's clock: the initial value after the next boot. */
  wallOffset: number;
  /** A deviating offset from one reply; the next reply confirms or rejects it. */
  suspect: number | undefined;
  /** At least one reply has been processed. */
  synced: boolean;
}

export const initialClock: ClockState = { bootId: '', offset: 0, wallOffset: 0, suspect: undefined, synced: false };

/** The state for the present boot. */
export const afterBoot = (state: ClockState, boot: BootClock, wallNow: number): ClockState =>
  state.bootId === boot.id
    ? state
    : { ...state, bootId: boot.id, offset: wallNow + state.wallOffset - boot.now(), suspect: undefined };

/**
 * The HTTP `Date` has whole seconds, and the transit time of a reply is unknown. Smaller differences count as no jump.
 */
const TOLERANCE = 2500;

/**
 * The state after a reply with `date` (s), sent and received at these times since boot. A jump of the server's clock is
 * accepted when two replies agree on it; the very first reply is accepted at once.
 */
export function sync(state: ClockState, date: number, sent: number, received: number, wallNow: number): ClockState {
  // When the server created the reply, its clock was in [date, date + 1 s), at a time between sent and received.
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
