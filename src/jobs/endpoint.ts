import type { Readable } from 'node:stream';

import { type Content, type DiscardOptions, MOUNT_ID, type Target, type TargetItem } from '../endpoints/target.js';

/** An item of one end of a transfer. */
export interface EndpointItem extends TargetItem {
  /** Identifies the content where the platform says so; else size and time must. */
  readonly version?: string;
  /** How many versions of it are kept, where the side keeps several. */
  readonly versions?: number;
  readonly private?: boolean;
  /** Who has it checked out. */
  readonly lockedBy?: string;
  /** Of what was just written: the name beside it of what it would have covered unseen. */
  readonly keptBeside?: string;
}

/**
 * Why an item that was transferred before is not listed any more, as far as its end says. `deleted`: it is gone ·
 * `elsewhere`: it has another name or folder there · `unseen`: nothing says that it was deleted, so perhaps it may only
 * not be seen any more · `away`: what was mounted there is not · `changing`: somebody is about to replace it
 */
export type Absence = 'deleted' | 'elsewhere' | 'unseen' | 'away' | 'changing';

/** An item as it was when it was transferred last. */
export interface Missed {
  readonly path: string;
  /** As `SideItem.id` had it. */
  readonly id: string | undefined;
}

/** What a call of a job that was finished late had covered. */
export interface Covered {
  /** From the top of the platform. */
  readonly path: string;
  /** The name beside it; or why it is not there yet: the next run tries again. */
  readonly kept: string | { readonly error: unknown };
}

/** Content that is held open until closed. */
export interface HeldContent extends Content {
  close(): void;
}

/** One version of a file, oldest first in `versions`. */
export interface EndpointVersion {
  /** As `SideItem.version` has it. */
  readonly id: string;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly label: string;
  content(): Promise<HeldContent>;
}

/**
 * `file`: a new one · `version`: new content of a file that is there · `versions`: to learn of the older ones · `delete`: of
 * a file, or an empty folder · `delete-folder`: with what is in it
 */
export type ChangeKind = 'file' | 'version' | 'versions' | 'folder' | 'delete' | 'delete-folder' | 'move';

/** One end of a transfer: what every target can do, and what only some know. */
export interface Endpoint extends Omit<Target, 'isAside'>, Partial<Pick<Target, 'isAside'>> {
  /** `folder` as for `Target.list`. Items that this side cannot show whole fail with `listing-incomplete`. */
  list(folder: string, signal: AbortSignal): AsyncIterable<EndpointItem>;
  stat(path: string, signal: AbortSignal): Promise<EndpointItem | undefined>;
  /** Asked about what a whole listing lacks. Only what is deleted or elsewhere may cost the other end anything. */
  absence(missed: Missed, signal: AbortSignal): Promise<Absence>;
  write(...args: Parameters<Target['write']>): Promise<EndpointItem>;
  /** As `Target.discard`; a platform with a bin of its own takes no trash. */
  discard(seen: EndpointItem, options: DiscardOptions<EndpointItem>): Promise<void>;
  /** The content of a file as `item` describes it, while it is so. */
  content(item: EndpointItem, signal: AbortSignal): Promise<HeldContent>;
  /**
   * Whether a file has the content that a call of this job made, of which the job does not know yet; the next write there
   * goes on from that. Absent where a write is never finished late.
   */
  isLateWork?(item: EndpointItem, signal: AbortSignal): Promise<boolean>;
  /**
   * Keeps beside a file what calls of this job have covered of it without having seen it, where the server finished them
   * late and somebody has saved over them since. Absent where a write is never finished late.
   */
  keepCovered?(signal: AbortSignal): Promise<readonly Covered[]>;
  /** What a platform keeps of older versions, the current one last; absent where it keeps none. */
  versions?(item: EndpointItem, signal: AbortSignal): Promise<readonly EndpointVersion[]>;
  /** Files can have several versions: writing adds one. */
  readonly keepsVersions: boolean;
  /** What is removed can be got back there, without a trash folder of ours. */
  readonly hasBin: boolean;
  /** API calls that a change takes here. */
  cost(change: ChangeKind, bytes: number): number;
  /** API calls that the run has spent here so far. */
  readonly calls: number;
  /** Who counts them; ends of one session count the same calls. Absent where there are none. */
  readonly counter?: object;
  /** Calls that an hour permits here; undefined: no limit. */
  readonly callsPerHour: number | undefined;
  /** When this end permits calls again to a run that was turned away, ms since the epoch; absent: it never turns away. */
  readonly callsAgainAt?: number;
  /** As `Target.mountpoint`. */
  readonly mountpoint?: string | undefined;
  /** API calls of an hour that keep up with a job that looks every so many seconds; absent: none. */
  callsToKeepUp?(seconds: number): number;
  /** Brings what is known of the other end up to date. */
  refresh(signal: AbortSignal): Promise<void>;
}

/** API calls of a run, which ends of one session count together. */
export const callsOfBoth = (source: Endpoint, destination: Endpoint): number =>
  source.counter !== undefined && source.counter === destination.counter
    ? Math.max(source.calls, destination.calls)
    : source.calls + destination.calls;

/** A target as one end of a transfer. */
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

  /** A target lists all that it has: what a whole listing lacks is gone, but for what was mounted there or is on its way. */
  async absence({ path, id }: Missed, signal: AbortSignal): Promise<Absence> {
    if (id === MOUNT_ID) return 'away';
    return (await this.isAside(path, signal)) ? 'changing' : 'deleted';
  }

  isAside(path: string, signal: AbortSignal): Promise<boolean> {
    return this.#target.isAside(path, signal);
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

/** A folder that is not there yet, as a run sees it that only looks. */
export class AbsentEndpoint extends TargetEndpoint {
  override async *list(): AsyncIterable<EndpointItem> {}

  override stat(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}
