import { Failure } from '../../base/errors.js';

export interface TurnLimits {
  /** Concurrent tasks. */
  readonly most: number;
  /** Concurrent tasks of one client. */
  readonly mostOfOne: number;
  /** Waiting tasks, of one client and of all. */
  readonly waitingOfOne: number;
  readonly waiting: number;
}

interface Client {
  running: number;
  readonly waiting: (() => void)[];
}

/**
 * Runs CPU-intensive tasks in turns: each client has its own queue, so that a client with a thousand requests delays
 * each other client by one task only.
 */
export class Turns {
  readonly #limits: TurnLimits;
  /** Clients in the order of their turns. */
  readonly #clients = new Map<string, Client>();
  #running = 0;
  #waiting = 0;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  /** @throws Failure `too-many-requests` where too many tasks wait already */
  async take<T>(client: string, what: string, work: () => Promise<T>): Promise<T> {
    await this.#turn(client, what);
    try {
      return await work();
    } finally {
      this.#running--;
      this.#of(client).running--;
      this.#next();
    }
  }

  async #turn(client: string, what: string): Promise<void> {
    const own = this.#of(client);
    const { most, mostOfOne, waiting, waitingOfOne } = this.#limits;
    if (this.#running < most && own.running < mostOfOne) {
      this.#begin(own);
      return;
    }
    if (own.waiting.length >= waitingOfOne || this.#waiting >= waiting)
      throw new Failure('too-many-requests', { what, seconds: 5 });
    this.#waiting++;
    await new Promise<void>((resolve) => own.waiting.push(resolve));
  }

  #begin(own: Client): void {
    this.#running++;
    own.running++;
  }

  #of(client: string): Client {
    const own = this.#clients.get(client) ?? { running: 0, waiting: [] };
    this.#clients.set(client, own);
    return own;
  }

  #next(): void {
    for (const [name, own] of this.#clients) {
      if (own.running === 0 && own.waiting.length === 0) this.#clients.delete(name);
      if (this.#running >= this.#limits.most || own.running >= this.#limits.mostOfOne) continue;
      const go = own.waiting.shift();
      if (!go) continue;
      // From now on the last one in the order.
      this.#clients.delete(name);
      this.#clients.set(name, own);
      this.#waiting--;
      this.#begin(own);
      go();
    }
  }
}
