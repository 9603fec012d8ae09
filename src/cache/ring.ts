import type { Block } from './block.js';

interface Owner {
  /** The block was dropped. */
  dropped(block: Block): void;
}

/** Content that could not be stored on disk, in memory while there is room: the oldest block is dropped first. */
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

  /** Drops all blocks of this blob. */
  forget(store: Owner): void {
    for (const [block, owner] of this.#kept) if (owner === store) this.#drop(block, owner);
  }

  #drop(block: Block, owner: Owner): void {
    this.#kept.delete(block);
    this.#bytes -= block.bytes.length;
    owner.dropped(block);
  }
}
