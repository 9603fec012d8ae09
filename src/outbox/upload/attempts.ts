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
import { attemptOf, type Made, placeOfCall, rebased, sentBy, withOutcome } from '../intents/attempt.js';
import { isNothing } from '../intents/changes.js';
import { type Attempt, type Intent, NO_REMOTE, NO_VERSION } from '../intents/intent.js';
import { type LateCalls, mayBeOf, PEOPLE } from '../intents/late-calls.js';
import { rehomed } from '../intents/rehome.js';
import type { Outbox } from '../outbox.js';
import { Lookup, type LookupOptions } from './lookup.js';
import { keepBeside } from './version-beside.js';

export interface AttemptsOptions extends LookupOptions {
  readonly outbox: Outbox;
  readonly store: MirrorStore;
  readonly content: ContentCache;
  /** Tells that the server has checked a file in, as it does with a new version. */
  readonly checkedIn: (inode: Inode) => void;
}

/** Failures after which the server may have done it all the same. */
const LEAVES_DOUBT: ReadonlySet<string> = new Set(['reply-lost', 'interrupted', 'upload-unknown', 'name-taken']);

/** The reply to a move shows that somebody else has saved a version meanwhile. */
const isForeign = (attempt: Intent, item: RemoteItem): boolean =>
  !attempt.dirty && attempt.baseVersion !== NO_VERSION && item.version?.id !== attempt.baseVersion;

/** The item with the version that what was written or deleted here since is about: nobody here has seen another one. */
const withSeen = (
  item: RemoteItem,
  { dirty, deleted, baseVersion: id, baseNumber: number, baseSize: size }: Intent,
): Made => (dirty || deleted ? { id: item.id, version: { id, number, size } } : item);

/** What an attempt has made, where that is not what the file has now. */
interface Outcome {
  readonly own?: RemoteVersion | undefined;
  readonly made?: RemoteVersion | undefined;
}

/** The intent changed while it was under way; what was sent is kept where it can be used. */
export class Superseded extends Error {}

/**
 * What becomes of each call that changes something. It is written down before it is made, and whatever people do to the
 * item meanwhile, the knowledge goes along with the item's identity until the outcome is known: by the reply, or by
 * looking.
 */
export class Attempts {
  readonly lookup: Lookup;
  readonly late: LateCalls;
  readonly #options: AttemptsOptions;
  /** When the last attempt began of each item that is being sent. */
  readonly #underWay = new Map<Inode, number>();
  #last = 0;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.lookup = new Lookup(options, options.outbox.tree);
    this.late = options.outbox.late;
  }

  /** The item whose sending has the outcome of this intent's attempt still before it. */
  awaited(intent: Intent): Inode | undefined {
    if (intent.attempted)
      for (const [inode, attemptAt] of this.#underWay) if (attemptAt === intent.attemptAt) return inode;
    return undefined;
  }

  /** The item is not being sent any more. */
  end(inode: Inode): void {
    this.#underWay.delete(inode);
  }

  /**
   * The server has it: the mirror gets the row, under the inode that it has here, and the intent goes. `made` is the version
   * that the attempt made, where others may have put theirs over it since; `own` is the same where what is here is made
   * from it.
   */
  async confirm(
    attempt: Intent,
    written: Written,
    call: CallOptions,
    { own, made = own ?? written.item?.version }: Outcome = {},
  ): Promise<void> {
    const { store, outbox } = this.#options;
    const { item } = written;
    if (!item) throw new Failure('bad-reply', { host: 'the server', call: attempt.name, why: 'it names no item' });
    const unseen = await this.#overtaken(attempt, item, call, made);
    const { inode, sequence } = outbox.intents.ofAttempt(attempt.attemptAt) ?? attempt;
    const foreign = isForeign(attempt, item) || (own !== undefined && own.id !== item.version?.id);
    const content = foreign ? { sequence: nextSequence(sequence), replaced: sequence } : { sequence };
    const name = attempt.attempted?.name ?? attempt.name;
    const before = attempt.folder ? outbox.tree.view.byRemoteId(item.id)?.inode : undefined;
    await store.confirm(item, written.serverTime, inode, { ...content, name });
    if (before !== undefined && before !== inode) this.#rehome(before, inode);
    if (unseen) keepBeside(unseen, attempt, this.#options);
    this.#passed(attempt, item, made);
    if (attempt.dirty) this.#options.checkedIn(attempt.inode);
    this.#finish(attempt, own ? { ...item, version: own } : item, made);
  }

  /** What earlier calls at the same file may make yet is not what this one has made. */
  #passed(attempt: Intent, { id, parentId, name }: RemoteItem, made: RemoteVersion | undefined): void {
    const { late } = this;
    if (attempt.remoteId === NO_REMOTE && parentId !== null && !attempt.folder) late.passedBy({ id, parentId, name });
    if (attempt.attempted?.upload !== undefined && made) late.passed(late.versions(id, PEOPLE), made.number);
  }

  /**
   * What the content of an attempt has covered unseen, whatever became of the item here since.
   * @param made the version of the attempt
   */
  async #overtaken(
    { attempted, baseNumber: base }: Intent,
    item: RemoteItem,
    call: CallOptions,
    made: RemoteVersion | undefined,
  ): Promise<RemoteVersion | undefined> {
    if (attempted?.upload === undefined) return undefined;
    const sent = [attempted.digests ?? [], ...this.late.versions(item.id, PEOPLE).map(({ digests }) => digests)];
    return overtaken({ file: item, number: made?.number ?? 0, base, sent }, this.#options, call);
  }

  /** A folder that was there already got the number of the one that was made here: what waits in it goes along. */
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
    const now = intents.ofAttempt(attempt.attemptAt);
    if (!now || !attempt.attempted) return;
    const foreign = isForeign(attempt, item);
    const isOurs = attempt.attempted.upload !== undefined && made?.id === item.version?.id;
    const next = rebased(now, attempt.attempted, foreign && !isOurs ? withSeen(item, now) : item);
    // What only moves a file says nothing of the content that somebody has open of it.
    const isMove = !attempt.dirty && attempt.remoteId !== NO_REMOTE;
    if (!foreign && !isMove) outbox.confirmed(now.inode, next.baseVersion);
    if (!isNothing(next)) {
      intents.change(outbox.staysLocal.settled(next, outbox.clock.now()));
      this.#tellPlace(now);
      return;
    }
    const { inode } = now;
    if (!attempt.folder && !foreign) {
      const versionId = item.version?.id ?? NO_VERSION;
      // Times and mode may have been set since.
      intents.setAttributes(inode, { versionId, mtime: now.mtime, mode: now.mode });
    }
    intents.change([], [inode]);
    this.#tellPlace(now);
    if (!now.staged || outbox.working(inode)) return;
    const version = { id: next.baseVersion, remoteId: item.id, size: now.size, label: now.name };
    const same = !foreign && item.version?.size === now.size;
    if (!(same && now.size > 0 && content.adopt(staging.path(inode), version))) staging.remove(inode);
  }

  /** It has the server's times now, and others may have moved it meanwhile: then it is not where it was here. */
  #tellPlace(before: Intent): void {
    const { tree } = this.#options.outbox;
    if (!before.deleted) tree.tell([moved(before, tree.item(before.inode))]);
  }

  /**
   * Looks what the server has of an attempt without a known outcome. What was changed here since goes on from there:
   * nothing is made twice, and nothing stays that was deleted. Whether the attempt had come through.
   */
  async resolve(intent: Intent, call: CallOptions): Promise<boolean> {
    const { attempted } = intent;
    if (!attempted) return false;
    // What is to go, goes by its id, wherever it is; which content it has must be known.
    const isGoing = intent.deleted && intent.remoteId !== NO_REMOTE;
    if (isGoing && (attempted.upload === undefined || attempted.removal !== undefined)) return false;
    const sighting = await this.lookup.sight(intent, attempted, call);
    this.current(intent);
    if (!sighting) await this.#keepCovered(intent, attempted, call);
    if (!sighting || !(sighting.isThere || sighting.content)) {
      this.#mayComeLate(intent, attempted);
      this.forget(intent);
      return false;
    }
    // What came through of it, by itself: a place, a content.
    const { baseParent, baseName, baseVersion, baseNumber } = intent;
    const came = sighting.isThere ? attempted : { ...attempted, parent: baseParent, name: baseName };
    const isForeign = intent.remoteId !== NO_REMOTE && !sighting.content;
    if (isForeign) this.#mayComeLate(intent, attempted);
    const upload = sighting.content ? attempted.upload : undefined;
    await this.confirm(
      { ...intent, attempted: { ...came, upload }, dirty: sighting.content === 'current' && intent.dirty },
      sighting,
      call,
      intent.remoteId === NO_REMOTE ? { own: sighting.own } : { made: sighting.own },
    );
    const isUnseen = isForeign || sighting.content === 'covered';
    const now = isUnseen ? this.#options.outbox.intents.get(intent.inode) : undefined;
    // Somebody else's version is a conflict with ours, and was not seen by who deleted the item.
    if (now?.deleted || (now?.dirty && intent.remoteId !== NO_REMOTE))
      this.#options.outbox.intents.put({ ...now, baseVersion, baseNumber });
    return sighting.content !== undefined || attempted.upload === undefined;
  }

  /** Somebody deleted the file after our version had come: what that one covered unseen is kept beside. 1 call. */
  async #keepCovered(intent: Intent, attempted: Attempt, call: CallOptions): Promise<void> {
    const { remoteId: id, baseNumber: base, baseName: name } = intent;
    const { client, project, ownWork } = this.#options;
    const sent = attempted.upload === undefined ? undefined : sentBy(intent, attempted);
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

  /** What cannot be seen of it yet is remembered: a server may answer with an error, and finish. */
  #mayComeLate(intent: Intent, attempt: Attempt): void {
    const place = placeOfCall(intent, this.#options.outbox.tree);
    const digests = sentBy(intent, attempt);
    if (place && digests) this.late.add({ ...place, digests });
  }

  /**
   * The name of a new file is taken: whether by what an earlier call at it made after all, also by one that an older copy
   * of the outbox knows nothing of. Then that is the document, and what was written since is its next version. 1 call.
   */
  async cameLate(attempt: Intent, parentId: RemoteId, call: CallOptions): Promise<boolean> {
    const { outbox, ownWork } = this.#options;
    const { attempted } = attempt;
    if (!attempted) return false;
    const found = await this.lookup.childNamed(parentId, linuxNames.decode(attempted.name), 'file', call);
    if (!found || outbox.intents.ofRemote(found.item.id)) return false;
    const all = this.late.creations(parentId, linuxNames.decode(attempted.name), PEOPLE);
    const calls = all.filter(mayBeOf(found.item.id));
    const sent = [...calls.map(({ digests }) => digests), ...(attempted.digests ? [attempted.digests] : [])];
    for (const [n, digests] of sent.entries()) {
      const own = await ownWork.made(found.item, digests, call);
      if (!own) continue;
      const isAll = found.item.version?.number === 1 && isSameContent(digests, attempted.digests);
      const upload = isAll ? attempted.upload : undefined;
      await this.confirm(
        { ...attempt, attempted: { ...attempted, upload }, dirty: isAll && attempt.dirty },
        found,
        call,
        { own },
      );
      if (calls[n]) this.late.forget(calls[n]);
      return true;
    }
    return false;
  }

  /**
   * The file has another version than the one that this content was made from: what goes on if that is what an earlier
   * call made after all, `done` where that was all of it; undefined: it is somebody else's.
   */
  async wentOn(intent: Intent, written: WrittenItem, call: CallOptions): Promise<Intent | 'done' | undefined> {
    const { version } = written.item;
    if (!version) return undefined;
    for (const late of this.late.versions(intent.remoteId, PEOPLE).filter(mayBeOf(version.number))) {
      if (!(await this.#options.ownWork.isOurs(written.item, version, late.digests, call))) continue;
      const now = this.current(intent);
      if (isSameContent(late.digests, attemptOf(now).digests)) {
        const { baseParent: parent, baseName: name } = now;
        await this.confirm(this.begin(now, { ...attemptOf(now), parent, name }), written, call);
        this.late.forget(late);
        return 'done';
      }
      const sent = { ...attemptOf(now), upload: attemptOf(now).upload ?? '', digests: late.digests };
      const unseen = await this.#overtaken({ ...now, attempted: sent }, written.item, call, version);
      this.current(now);
      if (unseen) keepBeside(unseen, now, this.#options);
      const next = { ...now, baseVersion: version.id, baseNumber: version.number, baseSize: version.size };
      this.replace(now, next);
      this.late.forget(late);
      return next;
    }
    return undefined;
  }

  /** The attempt has changed nothing at the server. */
  forget(attempt: Intent): void {
    const { intents } = this.#options.outbox;
    const now = intents.ofAttempt(attempt.attemptAt);
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
    if (intent.staged && !outbox.working(intent.inode)) staging.remove(intent.inode);
  }

  /** The reply to an attempt. A refusal leaves nothing in doubt; a name that is taken is dealt with by who gets to know. */
  async answered<T>(attempt: Intent, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const isRefusal = isFailure(error) && !LEAVES_DOUBT.has(error.code);
      if (isRefusal) this.forget(attempt);
      throw error;
    }
  }

  /** Written down before the call, on the platter: after a crash or a lost reply one looks before repeating. */
  begin(intent: Intent, attempted: Attempt | undefined): Intent {
    const { clock, intents } = this.#options.outbox;
    const attemptAt = intents.attemptFrom(Math.max(clock.now(), this.#last + 1));
    const attempt: Intent = { ...this.current(intent), attemptAt, attempted, state: 'uploading' };
    this.replace(intent, attempt);
    this.#options.outbox.intents.sync();
    this.#last = attemptAt;
    this.#underWay.set(intent.inode, attemptAt);
    return attempt;
  }

  /** @throws Superseded when a person changed the item since */
  current(intent: Intent): Intent {
    if (this.#options.outbox.intents.get(intent.inode) !== intent) throw new Superseded();
    return intent;
  }

  replace(before: Intent, after: Intent): void {
    this.current(before);
    this.#options.outbox.intents.put(after);
  }
}
