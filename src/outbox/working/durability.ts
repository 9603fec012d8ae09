import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { bootId, syncFileSystem } from '../../cache/durable.js';
import type { Intent } from '../intents/intent.js';
import type { Intents } from '../intents/intents.js';
import type { Staging } from './staging.js';
import type { WorkingFile } from './working-file.js';

/** Milliseconds after which what was acknowledged is brought to the platter without being asked. */
const SYNC_DELAY_MS = 5000;
/** What acknowledges nothing is written down so long after at the latest, milliseconds. */
const WRITE_DOWN_MS = 50;
/** Intents that are written down without a pause. */
const AT_ONCE = 200;

export interface DurabilityParts {
  readonly folder: string;
  readonly intents: Intents;
  readonly staging: Staging;
  readonly log: Log;
  readonly clock: Clock;
  /** Brings the mirror to the platter. */
  readonly syncMirror: () => Promise<void>;
}

/**
 * What survives a power cut. A close is acknowledged when a crash of the process cannot undo it; its bytes reach the
 * platter a little later, all together, and until then the intent says so.
 */
export class Durability {
  /** What is not on the platter is lost when this changes: the machine's boot, and the disk as it is attached. */
  readonly place: string;
  readonly #parts: DurabilityParts;
  #cancelSync: (() => void) | undefined;
  #cancelWritingDown: (() => void) | undefined;
  #closed = false;

  constructor(parts: DurabilityParts) {
    this.#parts = parts;
    this.place = `${bootId()} ${parts.staging.device}`;
  }

  /** Names and places are on the platter when this resolves. */
  async syncIntents(): Promise<void> {
    // The intents name folders by numbers that the mirror gave them.
    await this.#parts.syncMirror();
    await this.#parts.staging.syncFolderLater();
    this.#parts.intents.sync();
  }

  /** A file's bytes and its name are on the platter when this resolves. */
  async syncFile(file: WorkingFile): Promise<void> {
    await this.#parts.staging.syncFolderLater();
    await file.sync();
  }

  /** The bytes of an intent are on the platter when this resolves; somebody may have changed it meanwhile. */
  async secure(intent: Intent): Promise<void> {
    if (!intent.staged || intent.volatile === undefined) return;
    await this.#parts.staging.syncLater(intent.inode);
    await this.#parts.staging.syncFolderLater();
  }

  /** After `secure`. @returns the intent as it is now */
  secured(intent: Intent): Intent {
    if (!intent.staged || intent.volatile === undefined) return intent;
    const secured = { ...intent, volatile: undefined };
    this.#parts.intents.put(secured);
    return secured;
  }

  /** Nobody is told of a new file's content before it is closed: its intent need not be written down at once. */
  putSoon(intent: Intent): void {
    this.#parts.intents.putSoon(intent);
    this.#cancelWritingDown ??= this.#parts.clock.after(WRITE_DOWN_MS, () => {
      this.#cancelWritingDown = undefined;
      try {
        this.#parts.intents.writeDown();
      } catch (error) {
        // The close of the file says it to whom it concerns.
        this.#parts.log.error({ error }, 'a file that is being written could not be noted');
      }
    });
  }

  /** Something was acknowledged that is not on the platter. */
  acknowledged(): void {
    this.#cancelSync ??= this.#parts.clock.after(SYNC_DELAY_MS, () => {
      this.#cancelSync = undefined;
      this.#secureAll().catch((error: unknown) =>
        this.#parts.log.error({ error }, 'the state folder could not be synced'),
      );
    });
  }

  async #secureAll(): Promise<void> {
    const { folder, intents } = this.#parts;
    const volatile = [...intents.all()].filter((intent) => intent.volatile !== undefined);
    if (volatile.length === 0) return;
    await syncFileSystem(folder);
    const same = volatile.filter((intent) => intents.get(intent.inode) === intent && intent.state !== 'uploading');
    for (let done = 0; done < same.length && !this.#closed; done += AT_ONCE) {
      // People write meanwhile, and what they change is theirs.
      const chunk = same.slice(done, done + AT_ONCE).filter((intent) => intents.get(intent.inode) === intent);
      intents.change(chunk.map((intent) => ({ ...intent, volatile: undefined })));
      await nextTurn();
    }
  }

  /** Nothing that was acknowledged depends on the machine after this. */
  close(): void {
    this.#cancelSync?.();
    this.#cancelWritingDown?.();
    this.#closed = true;
    const { intents, log, staging } = this.#parts;
    try {
      const volatile = [...intents.all()].filter((intent) => intent.staged && intent.volatile !== undefined);
      for (const intent of volatile) staging.sync(intent.inode);
      if (volatile.length > 0) staging.syncFolder();
      intents.change(volatile.map((intent) => ({ ...intent, volatile: undefined })));
      intents.sync();
    } catch (error) {
      log.error({ error }, 'the outbox could not be synced');
    }
  }
}
