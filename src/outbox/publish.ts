import type { NameClass } from '../names/local-only.js';
import { type Intent, needsPerson } from './intent.js';

export const isPublished = (kind: NameClass): boolean => kind === 'published';

/** Failures that are about the line or the account, not about one item: everything waits, milliseconds. */
export const PAUSES: Readonly<Record<string, number>> = {
  unreachable: 5000,
  'budget-exhausted': 5000,
  'signed-out': 60_000,
  'sign-in-refused': 60_000,
};

export interface Delays {
  /** Milliseconds that a change rests before it goes up, so that what follows at once joins it. */
  readonly settle: number;
  /** The same for a deletion. */
  readonly deletion: number;
  /** How long a name that looks like a transfer temporary waits for the rename that usually follows. */
  readonly temporary: number;
}

/** Of these the pauses grow no further: room on the disk comes by itself, and then what waits is to go up soon. */
const SOON: ReadonlySet<string> = new Set(['disk-full', 'disk-failed']);

/** How many attempts the pause after a failure counts at most. */
export const mostAttempts = (code: string): number => (SOON.has(code) ? 3 : Number.POSITIVE_INFINITY);

/** When the intent may go up: milliseconds since the epoch, or undefined while something must happen first. */
export function readyAt(intent: Intent, kind: NameClass, writers: number, delays: Delays): number | undefined {
  if (intent.state === 'local' || writers > 0) return undefined;
  if (!intent.flushed || needsPerson(intent)) return undefined;
  const rest = intent.deleted ? delays.deletion : isPublished(kind) ? delays.settle : delays.temporary;
  return Math.max(intent.changedAt + rest, retryAt(intent));
}

const FIRST_RETRY = 5000;
const LAST_RETRY = 15 * 60_000;

/** After a failure the pauses grow; an intent is never given up. */
const retryAt = (intent: Intent): number =>
  intent.state === 'failed' ? intent.changedAt + Math.min(FIRST_RETRY * 2 ** (intent.attempts - 1), LAST_RETRY) : 0;
