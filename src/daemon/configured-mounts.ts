import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { Pauses } from '../base/backoff.js';
import { type Clock, systemClock } from '../base/clock.js';
import { readConfiguration } from '../base/configuration.js';
import { Failure, isFailure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { type MountOptionText, parseMountOptions } from '../base/options.js';
import { parseSource } from '../project/source.js';
import { isOrphaned, type MountRecord, type StateFolder } from '../project/state-folder.js';
import type { MountView, MountViews } from '../server/parts.js';
import { askWithin, isAbsent } from './control.js';

/** A row of `mounts` in the configuration file: what `procorefs mount SOURCE MOUNTPOINT -o OPTIONS` would mount. */
const rowSchema = z.strictObject({
  source: z.string().min(1),
  mountpoint: z.string().regex(/^\/./, 'no absolute path'),
  options: z.string().default(''),
});

export interface ConfiguredMount extends MountOptionText {
  /** `CONNECTION:PROJECT[/folder]`, or `CONNECTION:` for all projects. */
  readonly source: string;
  /** Absolute. */
  readonly mountpoint: string;
}

/** @throws Failure `usage` for an invalid row, an unknown option, or a mount point that is named twice */
export function readConfiguredMounts({ configFile }: StateFolder): ConfiguredMount[] {
  const wrong = (cause: unknown): Failure =>
    new Failure('usage', { what: `"mounts" in ${configFile} cannot be used` }, cause);
  const parsed = z.array(rowSchema).safeParse(readConfiguration(configFile).mounts ?? []);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw wrong(new Error(`${path.join('.')}: ${message}`));
  }
  const seen = new Set<string>();
  return parsed.data.map(({ source, mountpoint, options }) => {
    try {
      if (seen.has(mountpoint)) throw new Error(`${mountpoint} is named twice`);
      seen.add(mountpoint);
      parseSource(source);
      return { source, mountpoint, ...parseMountOptions(options) };
    } catch (error) {
      throw wrong(error);
    }
  });
}

/** Milliseconds between two checks, and before a failed mount is tried again. */
const CHECK_INTERVAL_MS = 2000;
const RETRY = { first: 5000, longest: 300_000 };
/** Milliseconds to wait for the first mounts at the start. */
const START_LIMIT = 30_000;
/** Seconds for uploading an outbox when the service ends. */
const DRAIN_LIMIT_S = 60;
/** Seconds for the unmounting itself. */
const UNMOUNT_LIMIT_S = 20;

interface Kept {
  readonly mount: ConfiguredMount;
  /** The mount point without symbolic links. */
  place: string;
  /** `left`: a user unmounted it; it is not mounted again before the next start of the service. */
  state: 'waiting' | 'mounted' | 'left';
  failure: Failure | undefined;
  retryAt: number;
  readonly pauses: Pauses;
}

export interface ConfiguredMountsOptions {
  readonly state: StateFolder;
  readonly mounts: readonly ConfiguredMount[];
  /** Resolves when the mount answers. Its process then runs on its own; before that, the signal ends it. */
  readonly start: (mount: ConfiguredMount, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
  readonly clock?: Clock;
}

/**
 * Maintains the mounts of the configuration: makes them, makes them again when their process dies, and ends them with
 * the service. Each mount has its own process, so users of a mount never wait for the service. If the service is
 * killed, the mounts continue, and the next service finds them.
 */
export class ConfiguredMounts {
  readonly #options: ConfiguredMountsOptions;
  readonly #clock: Clock;
  readonly #kept: readonly Kept[];
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: ConfiguredMountsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#kept = options.mounts.map((mount) => ({
      mount,
      place: mount.mountpoint,
      state: 'waiting',
      failure: undefined,
      retryAt: 0,
      pauses: new Pauses(RETRY),
    }));
  }

  /** Resolves when each mount was tried once, or after `START_LIMIT`. Failed mounts are tried again. */
  async start(): Promise<void> {
    if (this.#kept.length === 0) return;
    const first = this.#look();
    this.#loop = first.then(() => this.#watch());
    const limit = new AbortController();
    await Promise.race([first, this.#clock.sleep(START_LIMIT, limit.signal).catch(() => undefined)]);
    limit.abort();
  }

  /** All existing mounts, and the configured ones that are missing. */
  views(mounts: MountViews): MountViews {
    return {
      ask: mounts.ask.bind(mounts),
      status: async () => {
        const live = await mounts.status();
        return [...live, ...this.#missing(live)].sort((a, b) => a.mountpoint.localeCompare(b.mountpoint));
      },
    };
  }

  /** Uploads the outboxes, and unmounts. */
  async close(): Promise<void> {
    this.#stop.abort(new Failure('interrupted'));
    await this.#loop;
    await Promise.all(this.#kept.map((one) => this.#unmount(one)));
  }

  #missing(live: readonly MountView[]): MountView[] {
    return this.#kept
      .filter(({ place }) => !live.some(({ mountpoint }) => mountpoint === place))
      .map(({ mount: { mountpoint, source }, failure, state }) => ({
        mountpoint,
        source,
        state: state === 'left' ? 'unmounted' : failure ? 'failed' : 'starting',
        ...(failure ? { reason: failure.line } : {}),
      }));
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#clock.sleep(CHECK_INTERVAL_MS, signal).catch(() => undefined);
      if (!signal.aborted) await this.#look();
    }
  }

  /** In parallel: the process that owns a project makes the mounts of one project one after the other. */
  async #look(): Promise<void> {
    await Promise.all(this.#kept.map((one) => this.#keep(one)));
  }

  async #keep(one: Kept): Promise<void> {
    if (one.state === 'left' || this.#clock.now() < one.retryAt) return;
    const { mount } = one;
    try {
      const record = await this.#record(one);
      if (record && !isOrphaned(record)) {
        if (record.source !== mount.source)
          throw new Failure('mountpoint-busy', { path: mount.mountpoint, source: record.source });
        one.state = 'mounted';
        one.failure = undefined;
        return;
      }
      if (!record && one.state === 'mounted') {
        one.state = 'left';
        this.#options.log.info({ mountpoint: mount.mountpoint }, 'it was unmounted; the next start mounts it again');
        return;
      }
      if (record)
        this.#options.log.warn({ mountpoint: mount.mountpoint }, 'the process of a mount died; it is mounted again');
      await this.#options.start(mount, this.#stop.signal);
      one.state = 'mounted';
      one.failure = undefined;
      one.pauses.reset();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      one.failure = isFailure(error) ? error : new Failure('internal', {}, error);
      one.retryAt = this.#clock.now() + one.pauses.next();
      this.#options.log.error(
        { error, mountpoint: mount.mountpoint },
        'a mount of the configuration failed; it is tried again',
      );
    }
  }

  /**
   * Mounts are recorded by their path without symbolic links. If the process of a mount has died, only the parent can
   * be resolved.
   */
  async #record(one: Kept): Promise<MountRecord | undefined> {
    const { mountpoint } = one.mount;
    const known = this.#options.state.mount(one.place);
    if (known) return known;
    one.place = join(await realpath(dirname(mountpoint)).catch(() => dirname(mountpoint)), basename(mountpoint));
    one.place = await realpath(one.place).catch(() => one.place);
    return this.#options.state.mount(one.place);
  }

  async #unmount(one: Kept): Promise<void> {
    const { log } = this.#options;
    const { mount } = one;
    try {
      const record = await this.#record(one);
      if (!record || record.source !== mount.source) return;
      const words = { mountpoint: record.mountpoint, force: true, timeout: DRAIN_LIMIT_S };
      const left = await askWithin<unknown[]>((DRAIN_LIMIT_S + UNMOUNT_LIMIT_S) * 1000, record, 'unmount', words);
      if (left.length > 0) log.warn({ mountpoint: mount.mountpoint, left: left.length }, 'changes are left');
    } catch (error) {
      // The daemon may have been ended by the same signal.
      if (!isAbsent(error)) log.warn({ error, mountpoint: mount.mountpoint }, 'a mount could not be ended');
    }
  }
}
