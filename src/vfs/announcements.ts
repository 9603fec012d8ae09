import type { Inode } from '../base/ids.js';
import type { KernelCache } from '../fuse/filesystem.js';
import { altered, type Change } from '../mirror/database/changes.js';
import type { LocalItem } from '../outbox/tree/tree.js';
import { followOpen } from './follow-open.js';
import { Invalidation } from './invalidation.js';
import type { ShownProject } from './shown-project.js';

/**
 * Tells the kernel what changes at the server and through other mounts, and the other mounts what changes through this
 * one.
 */
export class Announcements {
  readonly #shown: ShownProject;
  readonly #onChange = (changes: readonly Change[]): void => this.#changed(changes);
  readonly #onLocalChange = (changes: readonly Change[], by: object | undefined): void => {
    // The kernel already knows about changes made through this mount.
    if (by !== this) this.#changed(changes);
  };
  #kernel: KernelCache | undefined;
  #invalidation: Invalidation | undefined;
  #telling: Promise<unknown> = Promise.resolve();

  constructor(shown: ShownProject) {
    this.#shown = shown;
  }

  mounted(kernel: KernelCache): void {
    const { project, tree } = this.#shown;
    this.#kernel = kernel;
    this.#invalidation = new Invalidation(this.#shown, kernel);
    project.mirror.store.events.on('changed', this.#onChange);
    tree.events.on('changed', this.#onLocalChange);
  }

  /** Records that the kernel may now cache names of this folder. */
  asked(folder: Inode): void {
    this.#invalidation?.asked(folder);
  }

  /** Announces changes made through this mount to the other mounts of the project. */
  tell(...changes: readonly Change[]): void {
    this.afterwards(() => this.#shown.tree.tell(changes, this));
  }

  /** Announces that a file was written: its cached pages are stale on the other mounts of the project. */
  tellRewritten(inode: Inode): void {
    this.afterwards(() => {
      const item = this.#shown.tree.item(inode);
      if (item) this.tell({ ...altered(item), rewritten: true });
    });
  }

  /** Runs follow-up work of an operation that has succeeded: its errors are logged and never fail the operation. */
  afterwards(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#shown.log.error({ error }, 'what was done here cannot be told to all whom it concerns');
    }
  }

  /**
   * Invalidates both spellings when the name was used in another one: the kernel only knows what happened to the
   * spelling that it sent. Not awaited, because the kernel holds the folder's lock during the request.
   */
  forgetSpelling(folder: LocalItem, name: string, used: string): void {
    const kernel = this.#kernel;
    if (name === used || !kernel?.canInvalidate) return;
    const node = this.#shown.nodes.of(folder);
    const told = [name, used].map((one) => kernel.invalidateEntry(node, one));
    void Promise.allSettled([...told, kernel.invalidateNode(node, 0)]);
  }

  /** Resolves when the kernel has been notified of every change known at the time of the call. */
  async told(): Promise<void> {
    await this.#telling;
  }

  /** Drops what the kernel may keep without limit, as it is no longer told of changes. */
  async forget(): Promise<void> {
    await this.#invalidation?.forget();
  }

  close(): void {
    const { project, tree } = this.#shown;
    this.#invalidation?.close();
    project.mirror.store.events.off('changed', this.#onChange);
    tree.events.off('changed', this.#onLocalChange);
  }

  #changed(changes: readonly Change[]): void {
    const { project, log } = this.#shown;
    this.afterwards(() => {
      for (const inode of followOpen(changes, this.#shown))
        project.mirror.store.renew(inode).catch((error: unknown) => {
          log.error({ error }, 'what came back after it was removed here has the node of what is open');
        });
    });
    this.#telling = Promise.all([this.#telling, this.#invalidation?.push(changes)]);
  }
}
