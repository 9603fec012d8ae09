import type { Inode } from '../base/ids.js';
import { isNothing, withoutContent } from './intents/changes.js';
import { hasFailed, type Intent, isLocal, NO_REMOTE, needsPerson } from './intents/intent.js';
import { WITHDRAWN } from './intents/withdrawn-deletions.js';
import type { Outbox } from './outbox.js';
import { DELETE_GUARD_REASON, isGuarded } from './scheduler/delete-guard.js';
import { coveredBy } from './scheduler/order.js';
import { REFUSED_REASON } from './scheduler/refusals.js';
import type { Scheduler } from './scheduler/scheduler.js';

/** One line of `uploads`. */
export interface UploadLine {
  /** The item's id, by which users name the change: its inode, or its number on a mount of a company. */
  readonly id: number;
  readonly path: string;
  readonly what: string;
  /** `kept`: a deletion that was not carried out; `late`: what a call did late. Listed for a day, waiting for nothing. */
  readonly state: 'held' | 'waiting' | 'uploading' | 'failed' | 'local' | 'kept' | 'late';
  /** ISO 8601. */
  readonly since: string;
  readonly attempts: number;
  readonly reason: string | undefined;
  /** What only users can provide: a release or discard, a decision about this change, a permission. */
  readonly needs?: 'release' | 'person' | 'permission';
  readonly bytes: number;
  /** Bytes sent of an upload in progress. */
  readonly sent: number;
}

/** The pending changes and why they wait, oldest first; changes that do not wait come last. */
export function uploadLines(outbox: Outbox, scheduler: Scheduler, sent: ReadonlyMap<Inode, number>): UploadLine[] {
  const kept = outbox.kept.list().map(
    ({ inode, path, what, why, at }): UploadLine => ({
      id: inode,
      path,
      ...(what === WITHDRAWN ? { what: 'delete', state: 'kept' } : { what, state: 'late' }),
      since: new Date(at).toISOString(),
      attempts: 0,
      reason: why,
      bytes: 0,
      sent: 0,
    }),
  );
  const lines = [...outbox.intents.all()].map((intent): UploadLine => {
    const reason = reasonOf(intent, outbox, scheduler);
    return {
      id: intent.inode,
      path: outbox.tree.pathOf(intent.here),
      what: describe(intent),
      state: stateOf(intent, reason, scheduler.isUnderWay(intent.inode), outbox),
      since: new Date(intent.since).toISOString(),
      attempts: intent.attempts,
      reason,
      ...needsOf(intent, scheduler),
      bytes: intent.content.dirty ? intent.here.size : 0,
      sent: sent.get(intent.inode) ?? 0,
    };
  });
  return [...kept, ...lines].sort(
    (a, b) => Number(!waits(a)) - Number(!waits(b)) || a.since.localeCompare(b.since) || a.id - b.id,
  );
}

/** The change is to be sent. */
export const waits = ({ state }: Pick<UploadLine, 'state'>): boolean =>
  state !== 'local' && state !== 'kept' && state !== 'late';

function reasonOf(intent: Intent, outbox: Outbox, scheduler: Scheduler): string | undefined {
  if (scheduler.isGuardOn && isGuarded(intent)) return DELETE_GUARD_REASON;
  const refusal = scheduler.refusals.of(intent) && REFUSED_REASON;
  return intent.reason ?? refusal ?? waitsForRename(intent, outbox);
}

function needsOf(intent: Intent, scheduler: Scheduler): Pick<UploadLine, 'needs'> {
  if (scheduler.isGuardOn && isGuarded(intent)) return { needs: 'release' };
  if (needsPerson(intent) || intent.state === 'refused') return { needs: 'person' };
  return scheduler.refusals.of(intent) ? { needs: 'permission' } : {};
}

/** The reason why a name that looks like a transfer temporary is held back. */
function waitsForRename(intent: Intent, outbox: Outbox): string | undefined {
  const kind = outbox.names.kind(intent.here.name, intent.folder);
  return kind === 'transfer-temporary' && !intent.deleted && intent.here.name !== intent.base.name
    ? 'it looks like a file on its way to another name: it goes up after ten minutes, with drain, or when released'
    : undefined;
}

function stateOf(
  intent: Intent,
  reason: string | undefined,
  underWay: boolean,
  outbox: Outbox,
): Exclude<UploadLine['state'], 'kept' | 'late'> {
  if (underWay) return 'uploading';
  if (intent.state === 'local') return 'local';
  if (hasFailed(intent)) return 'failed';
  if (intent.state === 'open' || reason !== undefined) return 'held';
  return (outbox.working(intent.inode)?.writers ?? 0) > 0 ? 'held' : 'waiting';
}

function describe(intent: Intent): string {
  if (intent.deleted) return 'delete';
  if (intent.remoteId === NO_REMOTE) return intent.folder ? 'new folder' : 'new file';
  const { here, base, content } = intent;
  const moved = here.parent !== base.parent || here.name !== base.name;
  return (
    [moved ? 'move' : '', content.dirty ? 'new version' : ''].filter((text) => text !== '').join(', ') || 'nothing'
  );
}

/** Counts for `status`, of what `uploadLines` shows. */
export function outboxCounts(outbox: Outbox, scheduler: Scheduler) {
  const counts = { pending: 0, held: 0, failed: 0, local: 0, bytes: 0 };
  for (const intent of outbox.intents.all()) {
    const state = stateOf(intent, reasonOf(intent, outbox, scheduler), scheduler.isUnderWay(intent.inode), outbox);
    counts[state === 'waiting' || state === 'uploading' ? 'pending' : state]++;
    if (state !== 'local' && intent.content.dirty) counts.bytes += intent.here.size;
  }
  return counts;
}

/** A discarded intent, and what is left of it; undefined: the server's state shows. */
export interface Discarded {
  readonly intent: Intent;
  readonly left: Intent | undefined;
}

/**
 * Discards changes: deleted items come back, bytes written here go to lost+found, and the server's state shows. For a
 * known file whose bytes alone are in doubt, only the bytes are discarded, since its move was acknowledged. Returns
 * where the bytes are now.
 */
export function discard(
  outbox: Outbox,
  inodes: readonly Inode[],
): { readonly paths: string[]; readonly discarded: Discarded[] } {
  const { intents } = outbox;
  const dropped = new Map<Inode, Intent>();
  const take = (intent: Intent): void => {
    if (dropped.has(intent.inode)) return;
    dropped.set(intent.inode, intent);
    if (intent.deleted) {
      // An item that comes back leaves the trash here.
      const keeper = intents.get(outbox.tree.view.byRemoteId(intent.remoteId)?.inode ?? intent.inode);
      if (keeper && isLocal(keeper)) take(keeper);
      for (const one of coveredBy(intent, outbox)) take(one);
    }
    // Items created in a new folder that is discarded have no place any more.
    else if (intent.folder && intent.remoteId === NO_REMOTE)
      for (const child of intents.childrenOf(intent.inode)) take(child);
  };
  for (const inode of inodes) {
    const intent = intents.get(inode);
    if (intent) take(intent);
  }
  const paths = [...dropped.values()].flatMap((intent) => outbox.lose(intent) ?? []);
  const discarded = [...dropped.values()].map((intent): Discarded => {
    const isMove = intent.remoteId !== NO_REMOTE && !intent.deleted && needsPerson(intent);
    const left = isMove
      ? withoutContent(intent, outbox.tree.view.byRemoteId(intent.remoteId), outbox.clock.now())
      : undefined;
    return { intent, left: left && !isNothing(left) ? left : undefined };
  });
  intents.change(
    discarded.flatMap(({ left }) => left ?? []),
    discarded.filter(({ left }) => !left).map(({ intent }) => intent.inode),
  );
  return { paths, discarded };
}
