import type { Block } from './block.js';

interface Owner {
  /** The block is not kept any more. */
  dropped(block: Block): void;
}

/** Content that could not be stored, in memory for as long as there is room: the oldest goes first. */
export class Ring {
  readonly #limit: number;
  readonly #kept = new Map<Block, Owner>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  keep(store: Owner, block: Block): void {
    this.#kept.set(block, store);
    this.#bytes += block.bytes.length;
    for (const [oldest, owner] of this.#kept) {
      if (this.#bytes <= this.#limit) return;
      this.#drop(oldest, owner);
    }
  }

  /** Everything of this blob goes. */
  forget(store: Owner): void {
    for (const [block, owner] of this.#kept) if (owner === store) this.#drop(block, owner);
  }

  #drop(block: Block, owner: Owner): void {
    this.#kept.delete(block);
    this.#bytes -= block.bytes.length;
    owner.dropped(block);
  }
}
