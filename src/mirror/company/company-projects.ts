import { EventEmitter } from 'node:events';
import { SingleFlight } from '../../base/abort.js';
import { type Clock, systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { CallClass, CallOptions } from '../../budget/calls.js';
import { CompanyStore, type ListedProject, type ProjectChange } from './store.js';

export interface CompanyOptions {
  /** Path of `company.db`. */
  readonly path: string;
  /** Lists every project that the account can see: 1 call per 100. */
  readonly list: (options: CallOptions) => Promise<readonly ListedProject[]>;
  readonly log: Log;
  readonly clock?: Clock;
}

interface Events {
  changed: [changes: readonly ProjectChange[]];
}

/** Seconds for which a listing of the projects is not repeated. */
const FRESH_S = 600;
/** Milliseconds from a failed listing to the next. */
const RETRY_MS = 60_000;

/** The projects of a company as last listed. They are listed again when they are read, but not too often. */
export class CompanyProjects {
  readonly store: CompanyStore;
  readonly events = new EventEmitter<Events>();
  readonly clock: Clock;
  readonly #list: CompanyOptions['list'];
  readonly #log: Log;
  readonly #listings = new SingleFlight<'projects', void>();
  readonly #stop = new AbortController();
  #looking: Promise<void> | undefined;
  #retryAt = 0;

  constructor(options: CompanyOptions) {
    this.#list = options.list;
    this.#log = options.log;
    this.clock = options.clock ?? systemClock;
    this.store = new CompanyStore(options.path);
  }

  /** Seconds since the epoch. */
  get now(): number {
    return Math.floor(this.clock.now() / 1000);
  }

  /** Lists the projects if that was never done; no call after the first time. */
  async open(signal?: AbortSignal): Promise<void> {
    if (this.store.listedAt === undefined) await this.refresh('interactive', signal);
  }

  /** Lists the projects again; a failed listing changes nothing. */
  refresh(callClass: CallClass, signal?: AbortSignal): Promise<void> {
    const work = async (signal: AbortSignal): Promise<void> => {
      const changes = this.store.replace(await this.#list({ class: callClass, signal }), this.now);
      if (changes.length > 0) this.events.emit('changed', changes);
    };
    return this.#listings.run('projects', work, signal);
  }

  /**
   * To be called when a program reads the list: lists the projects again in the background if the last listing is old.
   */
  look(): void {
    const age = this.now - (this.store.listedAt ?? 0);
    if ((age >= 0 && age < FRESH_S) || this.#looking || this.clock.monotonic() < this.#retryAt) return;
    this.#looking = this.refresh('background', this.#stop.signal)
      .catch((error: unknown) => {
        this.#retryAt = this.clock.monotonic() + RETRY_MS;
        if (!this.#stop.signal.aborted) this.#log.warn({ error }, 'the projects could not be listed');
      })
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async close(): Promise<void> {
    this.#stop.abort(new Failure('interrupted'));
    await this.#looking;
    this.store.close();
  }
}
