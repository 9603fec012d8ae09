import { Failure } from '../base/errors.js';

/** What a connection is used for; smaller values go first. */
export const Priority = { reader: 0, ahead: 1, siblings: 2, upkeep: 3 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

/** A place in the queue for a connection, then the connection itself. */
export interface Slot {
  /** Resolves when the connection may be used; rejects with `interrupted` when released before. */
  readonly granted: Promise<void>;
  /** Moves the request forward in the queue, never back. */
  promote(priority: Priority): void;
  /** Leaves the queue or returns the connection; may be called twice. */
  release(): void;
}

interface Ticket extends Slot {
  priority: Priority;
  state: 'queued' | 'granted' | 'released';
  grant(): void;
}

/** Connections to the storage: a fixed number, granted by priority, then by age. */
export class Slots {
  readonly #limit: number;
  /** Connections that siblings and upkeep may not use, so that a reader never waits for them. */
  readonly #forReaders: number;
  #used = 0;
  readonly #queues: [Set<Ticket>, Set<Ticket>, Set<Ticket>, Set<Ticket>] = [new Set(), new Set(), new Set(), new Set()];

  constructor(limit: number) {
    this.#limit = Math.max(2, limit);
    this.#forReaders = Math.max(1, Math.ceil(this.#limit / 8));
  }

  get used(): number {
    return this.#used;
  }

  get queued(): number {
    return this.#queues.reduce((sum, queue) => sum + queue.size, 0);
  }

  enter(priority: Priority): Slot {
    let grant!: () => void;
    let refuse!: (reason: unknown) => void;
    const granted = new Promise<void>((resolve, reject) => {
      grant = resolve;
      refuse = reject;
    });
    // A caller that leaves the queue need not handle the rejection.
    granted.catch(() => undefined);
    const ticket: Ticket = {
      priority,
      state: 'queued',
      granted,
      grant,
      promote: (to) => {
        if (to >= ticket.priority) return;
        const queued = this.#queues[ticket.priority].delete(ticket);
        ticket.priority = to;
        if (!queued) return;
        this.#queues[to].add(ticket);
        this.#next();
      },
      release: () => {
        const before = ticket.state;
        ticket.state = 'released';
        this.#queues[ticket.priority].delete(ticket);
        if (before === 'queued') refuse(new Failure('interrupted'));
        if (before !== 'granted') return;
        this.#used--;
        this.#next();
      },
    };
    this.#queues[priority].add(ticket);
    this.#next();
    return ticket;
  }

  #next(): void {
    for (const [priority, queue] of this.#queues.entries()) {
      const limit = priority >= Priority.siblings ? this.#limit - this.#forReaders : this.#limit;
      for (const ticket of queue) {
        if (this.#used >= limit) return;
        queue.delete(ticket);
        this.#used++;
        ticket.state = 'granted';
        ticket.grant();
      }
    }
  }
}
