import type { Readable } from 'node:stream';

import { type Content, type DiscardOptions, MOUNT_ID, type Target, type TargetItem } from '../endpoints/target.js';

/** An item of an endpoint. */
export interface EndpointItem extends TargetItem {
  /** Version id of the content, where the platform has one; else size and time identify it. */
  readonly version?: string;
  /** Number of versions, where the endpoint keeps several. */
  readonly versions?: number;
  readonly private?: boolean;
  /** Name of the person who has the file checked out. */
  readonly lockedBy?: string;
  /**
   * After a write: name of the conflict copy beside the file, of a version that the write would have covered unseen.
   */
  readonly keptBeside?: string;
}

/**
 * Why an item that was transferred before is not listed any more, as far as its endpoint knows. `deleted`: it is gone ·
 * `elsewhere`: it has another name or folder there · `unseen`: nothing says that it was deleted; the account may have
 * lost the permission to see it · `away`: the file system that was mounted there is not mounted · `changing`: somebody
 * is just replacing it
 */
export type Absence = 'deleted' | 'elsewhere' | 'unseen' | 'away' | 'changing';

/** An item as it was at its last transfer. */
export interface Missed {
  readonly path: string;
  /** `EndpointItem.id` at that time. */
  readonly id: string | undefined;
}

/** Content that is held open until closed. */
export interface HeldContent extends Content {
  close(): void;
}

/** One version of a file, oldest first in `versions`. */
export interface EndpointVersion {
  /** As in `EndpointItem.version`. */
  readonly id: string;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly label: string;
  content(): Promise<HeldContent>;
}

/**
 * `file`: a new file · `version`: new content of an existing file · `versions`: listing the older versions · `delete`:
 * of a file or an empty folder · `delete-folder`: of a folder with its content
 */
export type ChangeKind = 'file' | 'version' | 'versions' | 'folder' | 'delete' | 'delete-folder' | 'move';

/** An endpoint of a transfer: the methods of every target, and some that only certain platforms have. */
export interface Endpoint extends Omit<Target, 'isDetached'>, Partial<Pick<Target, 'isDetached'>> {
  /** `folder` as in `Target.list`. An incomplete listing fails with `listing-incomplete`. */
  list(folder: string, signal: AbortSignal): AsyncIterable<EndpointItem>;
  stat(path: string, signal: AbortSignal): Promise<EndpointItem | undefined>;
  /**
   * Says why a complete listing lacks an item. Only `deleted` and `elsewhere` may cause a deletion at the other
   * endpoint.
   */
  absence(missed: Missed, signal: AbortSignal): Promise<Absence>;
  write(...args: Parameters<Target['write']>): Promise<EndpointItem>;
  /** Like `Target.discard`; a platform with its own recycle bin ignores `trash`. */
  discard(seen: EndpointItem, options: DiscardOptions<EndpointItem>): Promise<void>;
  /** The content of a file, provided that the file is still as `item` describes it. */
  content(item: EndpointItem, signal: AbortSignal): Promise<HeldContent>;
  /**
   * Whether the content of a file was made by a late call of this job: one whose outcome the job does not know. The
   * next write to the file continues from that. Absent if the platform never completes a write late.
   */
  isLateWork?(item: EndpointItem, signal: AbortSignal): Promise<boolean>;
  /** Versions of a file, the current one last. Absent where the platform keeps no older versions. */
  versions?(item: EndpointItem, signal: AbortSignal): Promise<readonly EndpointVersion[]>;
  /** A write to an existing file adds a version. */
  readonly keepsVersions: boolean;
  /** Removed items can be restored at the platform, without a trash folder of ours. */
  readonly hasBin: boolean;
  /** API calls that a change costs at this endpoint. */
  cost(change: ChangeKind, bytes: number): number;
  /** API calls that the run has spent at this endpoint so far. */
  readonly calls: number;
  /** Identity of the call counter: endpoints of one session share it. Absent if the endpoint makes no calls. */
  readonly counter?: object;
  /** Hourly limit of calls; undefined: no limit. */
  readonly callsPerHour: number | undefined;
  /**
   * When a run that was refused for the limit may make calls again, milliseconds since the epoch; absent: calls are
   * never refused.
   */
  readonly callsAgainAt?: number;
  /** As `Target.mountpoint`. */
  readonly mountpoint?: string | undefined;
  /** API calls per hour that keep the endpoint up to date for a job with this interval in seconds; absent: none. */
  callsToKeepUp?(seconds: number): number;
  /** Updates the locally known state of the endpoint. */
  refresh(signal: AbortSignal): Promise<void>;
}

/** API calls of a run. Endpoints of one session count them together. */
export const callsOfBoth = (source: Endpoint, destination: Endpoint): number =>
  source.counter !== undefined && source.counter === destination.counter
    ? Math.max(source.calls, destination.calls)
    : source.calls + destination.calls;

/** A target as an endpoint. */
export class TargetEndpoint implements Endpoint {
  readonly #target: Target;
  readonly keepsVersions = false;
  readonly hasBin = false;
  readonly calls = 0;
  readonly callsPerHour = undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  cost(): number {
    return 0;
  }

  get rules() {
    return this.#target.rules;
  }

  get root() {
    return this.#target.root;
  }

  get mountpoint() {
    return this.#target.mountpoint;
  }

  list(folder: string, signal: AbortSignal): AsyncIterable<EndpointItem> {
    return this.#target.list(folder, signal);
  }

  stat(path: string, signal: AbortSignal): Promise<EndpointItem | undefined> {
    return this.#target.stat(path, signal);
  }

  /**
   * A target lists everything it has, so an item that a complete listing lacks is deleted, unless it was a mount or is
   * being replaced.
   */
  async absence({ path, id }: Missed, signal: AbortSignal): Promise<Absence> {
    if (id === MOUNT_ID) return 'away';
    return (await this.isDetached(path, signal)) ? 'changing' : 'deleted';
  }

  isDetached(path: string, signal: AbortSignal): Promise<boolean> {
    return this.#target.isDetached(path, signal);
  }

  read(path: string, options: { readonly start?: number; readonly signal: AbortSignal }): Promise<Readable> {
    return this.#target.read(path, options);
  }

  content(item: EndpointItem): Promise<HeldContent> {
    return Promise.resolve({
      open: (start: number, signal: AbortSignal) => this.#target.read(item.path, { start, signal }),
      close: () => undefined,
    });
  }

  write(...[path, content, options]: Parameters<Target['write']>): Promise<EndpointItem> {
    return this.#target.write(path, content, options);
  }

  mkdir(...[path, signal, options]: Parameters<Target['mkdir']>): Promise<void> {
    return this.#target.mkdir(path, signal, options);
  }

  protect(path: string, signal: AbortSignal): Promise<void> {
    return this.#target.protect(path, signal);
  }

  discard(seen: EndpointItem, options: DiscardOptions<EndpointItem>): Promise<void> {
    return this.#target.discard(seen, options);
  }

  removeFolder(path: string, signal: AbortSignal): Promise<void> {
    return this.#target.removeFolder(path, signal);
  }

  move(from: string, to: string, signal: AbortSignal): Promise<void> {
    return this.#target.move(from, to, signal);
  }

  setTime(path: string, mtime: number, signal: AbortSignal): Promise<void> {
    return this.#target.setTime(path, mtime, signal);
  }

  emptyTrash(...words: Parameters<Target['emptyTrash']>) {
    return this.#target.emptyTrash(...words);
  }

  test(signal: AbortSignal) {
    return this.#target.test(signal);
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.#target.close();
  }
}

/** A missing folder, which a simulation treats as empty. */
export class AbsentEndpoint extends TargetEndpoint {
  override async *list(): AsyncIterable<EndpointItem> {}

  override stat(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}
