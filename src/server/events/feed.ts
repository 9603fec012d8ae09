import { type Clock, systemClock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';

/** A topic that clients watch; `look` returns its current state. */
export interface Topic {
  /** Milliseconds between two calls of `look` while there are listeners. */
  readonly interval: number;
  look(): Promise<unknown> | unknown;
}

export type Topics = Readonly<Record<string, Topic>>;

type Listener = (topic: string, data: string) => void;

/** Polls topics while they have listeners, once for all of them, and reports changes. */
export class Feed {
  readonly #topics: Topics;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ending: AbortSignal;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #last = new Map<string, string>();
  readonly #looking = new Set<string>();

  constructor(topics: Topics, log: Log, ending: AbortSignal, clock: Clock = systemClock) {
    this.#topics = topics;
    this.#clock = clock;
    this.#log = log;
    this.#ending = ending;
  }

  get names(): readonly string[] {
    return Object.keys(this.#topics);
  }

  /** Reports the known state to the listener at once, then each change. @returns a function that ends it */
  watch(topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    const known = this.#last.get(topic);
    if (known !== undefined) listener(topic, known);
    // A polling loop for an earlier listener may still run.
    if (!this.#looking.has(topic)) void this.#look(topic);
    return () => listeners.delete(listener);
  }

  async #look(topic: string): Promise<void> {
    const { interval, look } = this.#topics[topic]!;
    const listeners = this.#listeners.get(topic)!;
    this.#looking.add(topic);
    while (listeners.size > 0 && !this.#ending.aborted) {
      try {
        const now = JSON.stringify(await look());
        if (now !== this.#last.get(topic)) {
          this.#last.set(topic, now);
          for (const listener of listeners) listener(topic, now);
        }
      } catch (error) {
        this.#log.warn({ error, topic }, 'what people watch could not be looked at');
      }
      await this.#clock.sleep(interval, this.#ending).catch(() => undefined);
    }
    // The last state is out of date when the next listener comes.
    this.#last.delete(topic);
    this.#looking.delete(topic);
  }
}
