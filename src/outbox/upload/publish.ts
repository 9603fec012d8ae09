import { pauseAfter } from '../../base/backoff.js';
import type { Failure } from '../../base/errors.js';
import type { NameClass } from '../../names/local-only.js';
import { type Intent, needsPerson } from '../intents/intent.js';

export const isPublished = (kind: NameClass): boolean => kind === 'published';

/**
 * The consequence of a failure. A temporary failure has none of these: the change is retried after a pause that grows.
 */
export interface Consequence {
  /** The failure concerns the connection or the account: everything waits, milliseconds. */
  readonly pause?: number;
  /**
   * `folder`: the server refuses any change in the folder, or does not have it. `change`: it refuses this name or
   * content as it is.
   */
  readonly refused?: 'folder' | 'change';
  /** Only a user's action makes it succeed: a caller that waits for the rest need not wait for this. */
  readonly needsSomebody?: true;
  /** The most and the fewest attempts that count for the length of the pause. */
  readonly mostAttempts?: number;
  readonly leastAttempts?: number;
}

export const FIRST_RETRY = 5000;
const LONGEST_RETRY_MS = 15 * 60_000;
/** Number of attempts after which the pause is the longest. */
const LONGEST_AFTER_ATTEMPTS = 9;

const FOLDER: Consequence = { refused: 'folder', needsSomebody: true };
const CHANGE: Consequence = { refused: 'change', needsSomebody: true };
/** Disk space becomes free by itself, and then the change is to be sent soon. */
const SOON: Consequence = { mostAttempts: 3 };

const CONSEQUENCES: Readonly<Record<string, Consequence>> = {
  unreachable: { pause: 5000 },
  'budget-exhausted': { pause: 5000 },
  'signed-out': { pause: 60_000, needsSomebody: true },
  'sign-in-refused': { pause: 60_000, needsSomebody: true },
  'not-permitted': FOLDER,
  'tool-not-permitted': FOLDER,
  'project-not-permitted': FOLDER,
  'app-not-installed': FOLDER,
  'name-refused': CHANGE,
  'path-too-long': CHANGE,
  'content-refused': CHANGE,
  'checked-out': { needsSomebody: true, leastAttempts: LONGEST_AFTER_ATTEMPTS },
  'name-taken': { needsSomebody: true },
  'unseen-in-bin': { needsSomebody: true, leastAttempts: LONGEST_AFTER_ATTEMPTS },
  'disk-full': SOON,
  'disk-failed': SOON,
};
const PASSING: Consequence = {};

/** HTTP statuses of refusals that concern a temporary state and not the request. */
const OF_THE_MOMENT: readonly unknown[] = [409, 423, 425];

export function consequenceOf({ code, details }: Failure): Consequence {
  // The folder does not exist, or is not shown to this account. Otherwise the item, a folder with something new in it,
  // does not exist any more.
  if (code === 'gone')
    return details.missing === 'parent' || details.missing === 'either' ? FOLDER : { needsSomebody: true };
  if (code === 'request-refused') return OF_THE_MOMENT.includes(details.status) ? PASSING : CHANGE;
  return CONSEQUENCES[code] ?? PASSING;
}

export interface Delays {
  /** Milliseconds that a change rests before it is sent, so that changes that follow at once join it. */
  readonly settle: number;
  /** The same for a deletion. */
  readonly deletion: number;
  /** How long a name that looks like a transfer temporary waits for the rename that usually follows. */
  readonly temporary: number;
  /** The first pause after a temporary failure; it grows. */
  readonly retry: number;
}

/** When the intent may be sent: milliseconds since the epoch, or undefined while something must happen first. */
export function readyAt(intent: Intent, kind: NameClass, writers: number, delays: Delays): number | undefined {
  if (intent.state === 'local' || intent.state === 'refused' || writers > 0) return undefined;
  if (!intent.content.flushed || needsPerson(intent)) return undefined;
  const rest = intent.deleted ? delays.deletion : isPublished(kind) ? delays.settle : delays.temporary;
  return Math.max(intent.changedAt + rest, retryAt(intent, delays.retry));
}

/** After temporary failures the pauses grow; an intent is never discarded. */
const retryAt = ({ state, changedAt, attempts }: Intent, first: number): number =>
  state === 'failed' ? changedAt + pauseAfter(attempts, { first, longest: LONGEST_RETRY_MS }) : 0;

/** An intent after an attempt at it failed. @param now milliseconds since the epoch */
export function afterFailure(intent: Intent, failure: Failure, consequence: Consequence, now: number): Intent {
  const { pause, refused, mostAttempts = Number.POSITIVE_INFINITY, leastAttempts = 1 } = consequence;
  const counted = pause === undefined ? Math.min(intent.attempts + 1, mostAttempts) : intent.attempts;
  return {
    ...intent,
    state: refused === 'change' ? 'refused' : 'failed',
    reason: failure.line,
    content: failure.code === 'upload-unknown' ? { ...intent.content, upload: undefined } : intent.content,
    attempts: Math.max(counted, leastAttempts),
    changedAt: now,
  };
}
