import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { Mounted } from '../fuse/driver.js';
import { drivers } from '../fuse/drivers.js';
import { withSpellings } from '../vfs/spellings.js';
import type { MountedProject, MountedView, MountRequest } from './mounted-view.js';

export interface Live {
  readonly request: MountRequest;
  readonly mounted: Mounted;
  readonly shown: MountedView;
}

/** The mounts of this process, each with a driver session and a file system of its own. */
export class Mounts {
  readonly #log: Log;
  readonly #live = new Map<string, Live>();
  #onEmpty: (() => void) | undefined;
  /** Count of mounts being made: meanwhile the last unmount must not end the daemon. */
  #starting = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Resolves when the mount answers. `show` opens the view to mount, which is released when the mount ends. */
  async add(request: MountRequest, show: () => Promise<MountedView>): Promise<void> {
    this.#starting++;
    try {
      if (this.#live.has(request.mountpoint))
        throw new Failure('mountpoint-busy', { path: request.mountpoint, source: request.source });
      const shown = await show();
      let mounted: Mounted;
      try {
        mounted = await this.#mount(request, shown);
      } catch (error) {
        await shown.release();
        throw error;
      }
      this.#live.set(request.mountpoint, { request, mounted, shown });
      this.#log.info(
        { mountpoint: request.mountpoint, driver: mounted.driver, passthrough: mounted.passthrough },
        'mounted',
      );
      mounted.ended.then(() => this.#ended(request.mountpoint));
    } finally {
      this.#starting--;
      this.#checkEmpty();
    }
  }

  /** @throws Failure `not-mounted` */
  get(mountpoint: string): Live {
    const live = this.#live.get(mountpoint);
    if (!live) throw new Failure('not-mounted', { path: mountpoint });
    return live;
  }

  get all(): readonly Live[] {
    return [...this.#live.values()];
  }

  /** The open projects of all mounts, each once. */
  get parts(): MountedProject[] {
    const parts = this.all.flatMap(({ shown }) => shown.parts);
    return [...new Map(parts.map((part) => [part.project, part])).values()];
  }

  /** Resolves when the kernel has been notified, on every mount, of all changes known at the time of the call. */
  async told(): Promise<void> {
    await Promise.all(this.all.map(({ shown }) => shown.fileSystem.told()));
  }

  async unmount(mountpoint: string, force: boolean): Promise<void> {
    const { mounted } = this.get(mountpoint);
    await mounted.unmount(force);
    await mounted.ended;
  }

  /** Unmounts all mounts; busy ones are detached, as the process ends. */
  async close(): Promise<void> {
    await Promise.all([...this.#live.keys()].map((mountpoint) => this.unmount(mountpoint, true)));
  }

  /** Sets what is called once the last mount has ended. */
  whenEmpty(callback: () => void): void {
    this.#onEmpty = callback;
    this.#checkEmpty();
  }

  #mount(request: MountRequest, { fileSystem }: MountedView): Promise<Mounted> {
    return drivers[request.driver].mount(withSpellings(fileSystem), {
      mountpoint: request.mountpoint,
      source: request.source,
      allowOther: request.allowOther,
      readOnly: request.readOnly,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      generic: request.generic,
      log: this.#log,
    });
  }

  #ended(mountpoint: string): void {
    const live = this.#live.get(mountpoint);
    this.#live.delete(mountpoint);
    live?.shown.release().catch((error: unknown) => this.#log.error({ error, mountpoint }, 'a project was not left'));
    this.#log.info({ mountpoint }, 'unmounted');
    try {
      this.onEnded?.(mountpoint);
    } catch (error) {
      this.#log.error({ error, mountpoint }, 'the record of a mount that is gone cannot be removed');
    }
    this.#checkEmpty();
  }

  /** Called for each mount that has ended, in whatever way. */
  onEnded: ((mountpoint: string) => void) | undefined;

  #checkEmpty(): void {
    if (this.#live.size === 0 && this.#starting === 0) this.#onEmpty?.();
  }
}
