import { every, systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { MountedProject } from './mounted-view.js';

/** Progress of uploading pending changes. */
export interface DrainProgress {
  /** Changes that are not at the server yet, and those uploaded since the start. */
  readonly left: number;
  readonly done: number;
  /** Bytes of the changes that are left, and bytes already sent by the uploads under way. */
  readonly bytes: number;
  readonly sent: number;
  /** API calls of the client since the start. */
  readonly calls: number;
  readonly seconds: number;
}

export interface Draining {
  /** Seconds; unlimited if undefined. */
  readonly timeout: number | undefined;
  /** Aborted when the caller no longer waits. */
  readonly signal: AbortSignal;
  /** Aborted to end the wait early, with changes left. */
  readonly hurry?: AbortSignal;
  readonly tell: (progress: DrainProgress) => void;
}

/** Milliseconds. */
const TOLD_EVERY_MS = 1000;

/**
 * Resolves when all changes are uploaded, when those left need a user's action, or at the time-out.
 * @throws Failure `interrupted` when the signal is aborted, or as `Scheduler.drain`
 */
export async function drainProjects(
  parts: readonly MountedProject[],
  { timeout, signal, hurry, tell }: Draining,
): Promise<void> {
  // Not AbortSignal.timeout: Node 20 may garbage-collect a signal to which only another signal refers.
  const limit = new AbortController();
  const end = (): void => limit.abort(new Failure('interrupted'));
  const cancel = timeout === undefined ? undefined : systemClock.after(timeout * 1000, end);
  for (const one of [signal, hurry]) {
    one?.addEventListener('abort', end, { once: true });
    if (one?.aborted) end();
  }
  const look = progressOf(parts);
  const endTelling = every(systemClock, TOLD_EVERY_MS, () => tell(look()));
  try {
    await Promise.all(parts.map(({ project }) => project.scheduler.drain(limit.signal)));
  } catch (error) {
    if (!limit.signal.aborted) throw error;
  } finally {
    cancel?.();
    endTelling();
    for (const one of [signal, hurry]) one?.removeEventListener('abort', end);
  }
  signal.throwIfAborted();
}

function progressOf(parts: readonly MountedProject[]): () => DrainProgress {
  const budgets = new Set(parts.map(({ project }) => project.session.session.budget));
  const spent = (): number => {
    let calls = 0;
    for (const budget of budgets) for (const count of Object.values(budget.status().spent)) calls += count;
    return calls;
  };
  const waiting = (): { left: number; bytes: number; sent: number } => {
    const sum = { left: 0, bytes: 0, sent: 0 };
    for (const { project } of parts)
      for (const { inode, state, content, here } of project.outbox.intents.all()) {
        if (state === 'local') continue;
        sum.left++;
        if (content.dirty) sum.bytes += here.size;
        if (project.scheduler.isUnderWay(inode)) sum.sent += project.progress.get(inode) ?? 0;
      }
    return sum;
  };
  const began = { at: systemClock.monotonic(), spent: spent(), left: waiting().left };
  return () => {
    const now = waiting();
    return {
      ...now,
      done: Math.max(0, began.left - now.left),
      // The count may decrease, as it drops calls that are an hour old.
      calls: Math.max(0, spent() - began.spent),
      seconds: (systemClock.monotonic() - began.at) / 1000,
    };
  };
}
