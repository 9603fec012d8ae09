import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../base/log.js';

/** One thing that people watch; `look` says how it is now. */
export interface Topic {
  /** Milliseconds between two looks while somebody watches. */
  readonly interval: number;
  look(): Promise<unknown> | unknown;
}

export type Topics = Readonly<Record<string, Topic>>;

type Listener = (topic: string, data: string) => void;

/** Looks at topics as long as somebody watches them, once for all who do, and tells what has changed. */
export class Feed {
  readonly #topics: Topics;
  readonly #log: Log;
  readonly #ending: AbortSignal;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #last = new Map<string, string>();
  readonly #looking = new Set<string>();

  constructor(topics: Topics, log: Log, ending: AbortSignal) {
    this.#topics = topics;
    this.#log = log;
    this.#ending = ending;
  }

  get names(): readonly string[] {
    return Object.keys(this.#topics);
  }

  /** Tells the listener at once what is known, then each change. @returns ends it */
  watch(topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    const known = this.#last.get(topic);
    if (known !== undefined) listener(topic, known);
    // Who comes back soon finds the last one's still looking.
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
      await sleep(interval, undefined, { signal: this.#ending }).catch(() => undefined);
    }
    // What was seen is old when somebody comes back.
    this.#last.delete(topic);
    this.#looking.delete(topic);
  }
}
