import { Failure, isFailure } from '../../base/errors.js';
import type { Inode, RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { ContentCache } from '../../cache/cache.js';
import { moved, nextSequence } from '../../mirror/database/changes.js';
import type { MirrorStore } from '../../mirror/database/store.js';
import { linuxNames } from '../../names/linux.js';
import type { RemoteItem, RemoteVersion } from '../../procore/items.js';
import { overtaken } from '../../procore/overtaken.js';
import { isSameContent } from '../../procore/own-versions.js';
import type { Written, WrittenItem } from '../../procore/writes.js';
import { goalOf, type Made, placeOfCall, rebased, sentBy, withOutcome } from '../intents/attempt.js';
import { isNothing } from '../intents/changes.js';
import { type Goal, type Intent, NO_REMOTE, NO_VERSION, placed } from '../intents/intent.js';
import { type LateCalls, mayBeOf, PEOPLE } from '../intents/late-calls.js';
import { rehomed } from '../intents/rehome.js';
import { tellVersions } from '../late-effects.js';
import type { Outbox } from '../outbox.js';
import { Lookup, type LookupOptions } from './lookup.js';
import { keepBeside } from './version-beside.js';

export interface AttemptsOptions extends LookupOptions {
  readonly outbox: Outbox;
  readonly store: MirrorStore;
  readonly content: ContentCache;
  /** Reports that the server has checked a file in, as it does with each new version. */
  readonly checkedIn: (inode: Inode) => void;
}

/** Failures after which the server may have carried out the call all the same. */
const LEAVES_DOUBT: ReadonlySet<string> = new Set(['reply-lost', 'interrupted', 'upload-unknown', 'name-taken']);

/** Whether the reply to a move shows a version that another user has saved meanwhile. */
const isForeign = ({ content, base }: Intent, item: RemoteItem): boolean =>
  !content.dirty && base.version !== NO_VERSION && item.version?.id !== base.version;

/**
 * The item; if it was written or deleted here since, with the intent's base version, since no other version was seen
 * here.
 */
const withSeen = (item: RemoteItem, { deleted, content, base: { version: id, number, size } }: Intent): Made =>
  content.dirty || deleted ? { id: item.id, version: { id, number, size } } : item;

/** An attempt as far as it succeeded. @param isWhole the content that was to be sent is the current version */
const withResult = (intent: Intent, goal: Goal, isWhole: boolean): Intent => ({
  ...intent,
  content: { ...intent.content, dirty: isWhole && intent.content.dirty },
  attempt: { ...intent.attempt, goal },
});

/** The version that an attempt created, where it is not the file's current version. */
interface Outcome {
  readonly own?: RemoteVersion | undefined;
  readonly made?: RemoteVersion | undefined;
}

/** The intent changed while it was being sent. What was sent is kept where it can be used. */
export class Superseded extends Error {}

/**
 * Tracks the outcome of each call that changes something. The call is recorded before it is made. Whatever happens to
 * the item here meanwhile, the record stays with the item's identity until the outcome is known, from the reply or from
 * a lookup.
 */
export class Attempts {
  readonly lookup: Lookup;
  readonly late: LateCalls;
  readonly #options: AttemptsOptions;
  /** Items that are being sent, with the time of their last attempt. */
  readonly #underWay = new Map<Inode, number>();
  #last = 0;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.lookup = new Lookup(options, options.outbox.tree);
    this.late = options.outbox.late;
  }

  /** The item whose send in progress will yield the outcome of this intent's attempt. */
  awaited(intent: Intent): Inode | undefined {
    if (intent.attempt.goal) for (const [inode, at] of this.#underWay) if (at === intent.attempt.at) return inode;
    return undefined;
  }

  /** The send of the item has ended. */
  end(inode: Inode): void {
    this.#underWay.delete(inode);
  }

  /**
   * Records that the server has the change: the mirror gets the row under the item's local inode, and the intent ends.
   * `made` is the version that the attempt created; other users may have saved versions over it since. `own` is the
   * same version, where the local content is based on it.
   */
  async confirm(
    attempt: Intent,
    written: Written,
    call: CallOptions,
    { own, made = own ?? written.item?.version }: Outcome = {},
  ): Promise<void> {
    const { store, outbox } = this.#options;
    const { item } = written;
    if (!item) throw new Failure('bad-reply', { host: 'the server', call: attempt.here.name, why: 'it names no item' });
    const unseen = await this.#overtaken(attempt, item, call, made);
    const { inode, sequence } = outbox.intents.ofAttempt(attempt.attempt.at) ?? attempt;
    const foreign = isForeign(attempt, item) || (own !== undefined && own.id !== item.version?.id);
    const content = foreign ? { sequence: nextSequence(sequence), replaced: sequence } : { sequence };
    const name = attempt.attempt.goal?.name ?? attempt.here.name;
    const before = attempt.folder ? outbox.tree.view.byRemoteId(item.id)?.inode : undefined;
    await store.confirm(item, written.serverTime, inode, { ...content, name });
    if (before !== undefined && before !== inode) this.#rehome(before, inode);
    if (unseen) keepBeside(unseen, attempt, this.#options);
    this.#passed(attempt, item, made);
    if (attempt.content.dirty) this.#options.checkedIn(attempt.inode);
    this.#finish(attempt, own ? { ...item, version: own } : item, made);
  }

  /**
   * Earlier calls on the same file may still take effect. What they create then is told apart from what this call
   * created.
   */
  #passed(attempt: Intent, { id, parentId, name }: RemoteItem, made: RemoteVersion | undefined): void {
    const { late } = this;
    if (attempt.remoteId === NO_REMOTE && parentId !== null && !attempt.folder) late.passedBy({ id, parentId, name });
    if (attempt.attempt.goal?.upload !== undefined && made) late.passed(late.versions(id, PEOPLE), made.number);
  }

  /**
   * The version of another user that the attempt's content has covered unseen, whatever happened to the item here
   * since.
   * @param made the version of the attempt
   */
  async #overtaken(
    { attempt: { goal }, base }: Intent,
    item: RemoteItem,
    call: CallOptions,
    made: RemoteVersion | undefined,
  ): Promise<RemoteVersion | undefined> {
    if (goal?.upload === undefined) return undefined;
    const sent = [goal.digests ?? [], ...this.late.versions(item.id, PEOPLE).map(({ digests }) => digests)];
    return overtaken({ file: item, number: made?.number ?? 0, base: base.number, sent }, this.#options, call);
  }

  /** An existing server folder has got the inode of the folder created here: the intents in it move to that inode. */
  #rehome(from: Inode, to: Inode): void {
    const { outbox } = this.#options;
    const { put, changes } = rehomed(outbox.intents, from, to, outbox.clock.now());
    if (put.length === 0) return;
    outbox.intents.change(put);
    outbox.tree.tell(changes);
  }

  #finish(attempt: Intent, item: RemoteItem, made: RemoteVersion | undefined): void {
    const { outbox, content } = this.#options;
    const { intents, staging } = outbox;
    const { at, goal } = attempt.attempt;
    const now = intents.ofAttempt(at);
    if (!now || !goal) return;
    const foreign = isForeign(attempt, item);
    const isOurs = goal.upload !== undefined && made?.id === item.version?.id;
    const next = rebased(now, goal, foreign && !isOurs ? withSeen(item, now) : item);
    // A move says nothing about the content of an open working file.
    const isMove = !attempt.content.dirty && attempt.remoteId !== NO_REMOTE;
    if (!foreign && !isMove) outbox.confirmed(now.inode, next.base.version);
    if (!isNothing(next)) {
      intents.change(outbox.staysLocal.settled(next, outbox.clock.now()));
      this.#tellPlace(now);
      return;
    }
    const { inode, here } = now;
    if (!attempt.folder && !foreign) {
      const versionId = item.version?.id ?? NO_VERSION;
      // Times and mode may have been set here since.
      intents.setAttributes(inode, { versionId, mtime: here.mtime, mode: here.mode });
    }
    intents.change([], [inode]);
    this.#tellPlace(now);
    if (!now.content.staged || outbox.working(inode)) return;
    const version = { id: next.base.version, remoteId: item.id, size: here.size, label: here.name };
    const same = !foreign && item.version?.size === here.size;
    if (!(same && here.size > 0 && staging.handOver(inode, (path) => content.adopt(path, version))))
      staging.remove(inode);
  }

  /** The item has the server's times now. Another user may have moved it, so its place here may have changed too. */
  #tellPlace(before: Intent): void {
    const { tree } = this.#options.outbox;
    if (!before.deleted) tree.tell([moved(placed(before), tree.item(before.inode))]);
  }

  /**
   * Looks up at the server what an attempt with unknown outcome has done. Local changes made since are rebased on the
   * result: nothing is created twice, and nothing deleted here stays. Returns whether the attempt had succeeded.
   */
  async resolve(intent: Intent, call: CallOptions): Promise<boolean> {
    const { goal } = intent.attempt;
    if (!goal) return false;
    // A deletion is sent by id, wherever the item is. Only the item's content must be known.
    const isGoing = intent.deleted && intent.remoteId !== NO_REMOTE;
    if (isGoing && (goal.upload === undefined || goal.removal !== undefined)) return false;
    const found = await this.lookup.sight(intent, goal, call);
    this.current(intent);
    // A document that another intent is about existed before this attempt: somebody moved it to this place.
    const isNew = intent.remoteId === NO_REMOTE;
    const isOther = found && isNew && this.#options.outbox.intents.ofRemote(found.item.id) !== undefined;
    const sighting = isOther ? undefined : found;
    if (!sighting) await this.#keepCovered(intent, goal, call);
    if (!sighting || !(sighting.isThere || sighting.content)) {
      this.#mayComeLate(intent, goal);
      this.forget(intent);
      return false;
    }
    // The move and the content may have succeeded independently of each other.
    const { parent, name, version, number } = intent.base;
    const came = sighting.isThere ? goal : { ...goal, parent, name };
    const isForeign = intent.remoteId !== NO_REMOTE && !sighting.content;
    if (isForeign) this.#mayComeLate(intent, goal);
    const upload = sighting.content ? goal.upload : undefined;
    await this.confirm(
      withResult(intent, { ...came, upload }, sighting.content === 'current'),
      sighting,
      call,
      intent.remoteId === NO_REMOTE ? { own: sighting.own } : { made: sighting.own },
    );
    const isUnseen = isForeign || sighting.content === 'covered';
    const now = isUnseen ? this.#options.outbox.intents.get(intent.inode) : undefined;
    // Another user's version conflicts with the local content, and was not seen by the user who deleted the item. So
    // the base version stays.
    if (now?.deleted || (now?.content.dirty && intent.remoteId !== NO_REMOTE))
      this.#options.outbox.intents.put({ ...now, base: { ...now.base, version, number } });
    return sighting.content !== undefined || goal.upload === undefined;
  }

  /**
   * If the file was deleted after our version had arrived, a version that ours covered unseen is kept beside it. 1
   * call.
   */
  async #keepCovered(intent: Intent, goal: Goal, call: CallOptions): Promise<void> {
    const {
      remoteId: id,
      base: { number: base, name },
    } = intent;
    const { client, project, ownWork } = this.#options;
    const sent = goal.upload === undefined ? undefined : sentBy(intent, goal);
    if (id === NO_REMOTE || !sent) return;
    const file = { id, name };
    const versions = await client.versions(project, id, call).catch((error: unknown) => {
      if (!isFailure(error, 'gone')) throw error;
      return [];
    });
    const ours = await ownWork.newestOf(file, versions, base, sent, call);
    const listed = { ownWork, project, client: { versions: () => Promise.resolve(versions) } };
    const unseen = ours && (await overtaken({ file, number: ours.number, base, sent: [sent] }, listed, call));
    this.current(intent);
    if (unseen) keepBeside(unseen, intent, this.#options);
  }

  /** Remembers an attempt without a visible effect: a server may answer with an error and still finish the call. */
  #mayComeLate(intent: Intent, goal: Goal): void {
    const place = placeOfCall(intent, this.#options.outbox.tree);
    const digests = sentBy(intent, goal);
    if (place && digests) this.late.add({ ...place, digests });
  }

  /**
   * The name of a new file is taken. Returns whether an earlier call for this file created that item after all, which
   * may be a call that an older copy of the outbox does not know. Then that item is the document, and the content
   * written since is its next version. 1 call.
   */
  async cameLate(attempt: Intent, parentId: RemoteId, call: CallOptions): Promise<boolean> {
    const { outbox, ownWork } = this.#options;
    const { goal } = attempt.attempt;
    if (!goal) return false;
    const found = await this.lookup.childNamed(parentId, linuxNames.decode(goal.name), 'file', call);
    if (!found || outbox.intents.ofRemote(found.item.id)) return false;
    const all = this.late.creations(parentId, linuxNames.decode(goal.name), PEOPLE);
    const calls = all.filter(mayBeOf(found.item.id));
    const sent = [...calls.map(({ digests }) => digests), ...(goal.digests ? [goal.digests] : [])];
    for (const [n, digests] of sent.entries()) {
      const own = await ownWork.made(found.item, digests, call);
      if (!own) continue;
      const isAll = found.item.version?.number === 1 && isSameContent(digests, goal.digests);
      const upload = isAll ? goal.upload : undefined;
      await this.confirm(withResult(attempt, { ...goal, upload }, isAll), found, call, { own });
      if (calls[n]) this.late.forget(calls[n]);
      return true;
    }
    this.late.passedBy({ ...found.item, parentId });
    return false;
  }

  /**
   * The file's version is not the one that the local content is based on. Returns the intent rebased on that version,
   * if an earlier call of ours created it; `done` if that call sent the same content; undefined: the version is another
   * user's.
   */
  async wentOn(intent: Intent, written: WrittenItem, call: CallOptions): Promise<Intent | 'done' | undefined> {
    const { version } = written.item;
    if (!version) return undefined;
    const { outbox } = this.#options;
    const calls = this.late.versions(intent.remoteId, PEOPLE).filter(mayBeOf(version.number));
    const path = outbox.tree.pathOf(intent.here);
    for (const late of calls) {
      if (!(await this.#options.ownWork.isOurs(written.item, version, late.digests, call))) continue;
      const now = this.current(intent);
      const goal = goalOf(now);
      if (isSameContent(late.digests, goal.digests)) {
        const { parent, name } = now.base;
        await this.confirm(this.begin(now, { ...goal, parent, name }), written, call);
        this.late.forget(late);
        return 'done';
      }
      const { id, number, size } = version;
      tellVersions(calls, number, now, path, outbox);
      const next = { ...now, base: { ...now.base, version: id, number, size } };
      this.replace(now, next);
      this.late.forget(late);
      return next;
    }
    tellVersions(calls, version.number, intent, path, outbox);
    return undefined;
  }

  /** Clears an attempt that has changed nothing at the server. */
  forget(attempt: Intent): void {
    const { intents } = this.#options.outbox;
    const now = intents.ofAttempt(attempt.attempt.at);
    if (!now) return;
    const next: Intent = { ...now, ...withOutcome(now) };
    if (next.deleted && next.remoteId === NO_REMOTE) intents.change([], [next.inode]);
    else this.putOrDrop(next);
  }

  putOrDrop(intent: Intent): void {
    const { outbox } = this.#options;
    const { intents, staging } = outbox;
    if (!isNothing(intent)) {
      intents.put(intent);
      return;
    }
    intents.change([], [intent.inode]);
    if (intent.content.staged && !outbox.working(intent.inode)) staging.remove(intent.inode);
  }

  /**
   * Makes the call of an attempt. After a refusal nothing is in doubt, and the attempt is cleared. The caller handles
   * `name-taken`.
   */
  async answered<T>(attempt: Intent, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const isRefusal = isFailure(error) && !LEAVES_DOUBT.has(error.code);
      if (isRefusal) this.forget(attempt);
      throw error;
    }
  }

  /**
   * Records the attempt on stable storage before the call, so that after a crash or a lost reply a lookup precedes a
   * retry.
   */
  begin(intent: Intent, goal: Goal): Intent {
    const { clock, intents } = this.#options.outbox;
    const at = intents.attemptFrom(Math.max(clock.now(), this.#last + 1));
    const attempt: Intent = { ...this.current(intent), attempt: { at, goal }, state: 'uploading' };
    this.replace(intent, attempt);
    this.#options.outbox.intents.sync();
    this.#last = at;
    this.#underWay.set(intent.inode, at);
    return attempt;
  }

  /** @throws Superseded when the item was changed here since */
  current(intent: Intent): Intent {
    if (this.#options.outbox.intents.get(intent.inode) !== intent) throw new Superseded();
    return intent;
  }

  replace(before: Intent, after: Intent): void {
    this.current(before);
    this.#options.outbox.intents.put(after);
  }
}
