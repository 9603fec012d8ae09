import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { bootId, syncFileSystem } from '../../cache/durable.js';
import type { Intent } from '../intents/intent.js';
import type { Intents } from '../intents/intents.js';
import type { Staging } from './staging.js';
import type { WorkingFile } from './working-file.js';

/** Milliseconds after which acknowledged content is put on stable storage without a request. */
const SYNC_DELAY_MS = 5000;
/** Longest delay before an intent that acknowledges nothing is written, milliseconds. */
const WRITE_DOWN_MS = 50;
/** Number of intents that are written without a pause. */
const AT_ONCE = 200;

export interface DurabilityParts {
  readonly folder: string;
  readonly intents: Intents;
  readonly staging: Staging;
  readonly log: Log;
  readonly clock: Clock;
  /** Puts the mirror on stable storage. */
  readonly syncMirror: () => Promise<void>;
}

/**
 * Provides for power cuts. A close is acknowledged once a crash of the process cannot undo it. Its bytes reach stable
 * storage a little later, together with those of others; until then the intent's `volatile` is set.
 */
export class Durability {
  /**
   * The machine's boot, and the disk as it is attached. When this changes, content that was not on stable storage is
   * lost.
   */
  readonly place: string;
  readonly #parts: DurabilityParts;
  #cancelSync: (() => void) | undefined;
  #cancelWritingDown: (() => void) | undefined;
  #closed = false;

  constructor(parts: DurabilityParts) {
    this.#parts = parts;
    this.place = `${bootId()} ${parts.staging.device}`;
  }

  /** Names and places are on stable storage when this resolves. */
  async syncIntents(): Promise<void> {
    // The intents refer to folders by inodes that the mirror assigned.
    await this.#parts.syncMirror();
    await this.#parts.staging.syncFolderLater();
    this.#parts.intents.sync();
  }

  /** A file's bytes and its name are on stable storage when this resolves. */
  async syncFile(file: WorkingFile): Promise<void> {
    await this.#parts.staging.syncFolderLater();
    await file.sync();
  }

  /** The bytes of an intent are on stable storage when this resolves. The intent may have changed meanwhile. */
  async secure(intent: Intent): Promise<void> {
    if (!intent.content.staged || intent.content.volatile === undefined) return;
    await this.#parts.staging.syncLater(intent.inode);
    await this.#parts.staging.syncFolderLater();
  }

  /** After `secure`. @returns the intent as it is now */
  secured(intent: Intent): Intent {
    if (!intent.content.staged || intent.content.volatile === undefined) return intent;
    const secured = onDisk(intent);
    this.#parts.intents.put(secured);
    return secured;
  }

  /**
   * Writes an intent within `WRITE_DOWN_MS`. A new file's content is not acknowledged before its close, so its intent
   * need not be written at once.
   */
  putSoon(intent: Intent): void {
    this.#parts.intents.putSoon(intent);
    this.#cancelWritingDown ??= this.#parts.clock.after(WRITE_DOWN_MS, () => {
      this.#cancelWritingDown = undefined;
      try {
        this.#parts.intents.writeDown();
      } catch (error) {
        // The close of the file reports the error to the program.
        this.#parts.log.error({ error }, 'a file that is being written could not be noted');
      }
    });
  }

  /** Something was acknowledged that is not on stable storage. */
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
    const volatile = [...intents.all()].filter((intent) => intent.content.volatile !== undefined);
    if (volatile.length === 0) return;
    await syncFileSystem(folder);
    const same = volatile.filter((intent) => intents.get(intent.inode) === intent && intent.state !== 'uploading');
    for (let done = 0; done < same.length && !this.#closed; done += AT_ONCE) {
      // Intents that changed meanwhile are left as they are.
      const chunk = same.slice(done, done + AT_ONCE).filter((intent) => intents.get(intent.inode) === intent);
      intents.change(chunk.map(onDisk));
      await nextTurn();
    }
  }

  /** Everything acknowledged is on stable storage after this. */
  close(): void {
    this.#cancelSync?.();
    this.#cancelWritingDown?.();
    this.#closed = true;
    const { intents, log, staging } = this.#parts;
    try {
      const volatile = [...intents.all()].filter(
        (intent) => intent.content.staged && intent.content.volatile !== undefined,
      );
      for (const intent of volatile) staging.sync(intent.inode);
      if (volatile.length > 0) staging.syncFolder();
      intents.change(volatile.map(onDisk));
      intents.sync();
    } catch (error) {
      log.error({ error }, 'the outbox could not be synced');
    }
  }
}

/** The intent once its bytes are on stable storage. */
const onDisk = (intent: Intent): Intent => ({ ...intent, content: { ...intent.content, volatile: undefined } });
