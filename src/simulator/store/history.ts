import { Flag } from './flag.js';

interface Column {
  get(row: number): number;
}

interface Store {
  readonly parent: Column;
  readonly flags: Column;
  readonly updated: Column;
  readonly version: Column;
  name(row: number): string;
  setName(row: number, name: string): void;
  setParent(row: number, parent: number): void;
  setUpdated(row: number, seconds: number): void;
  setVersion(row: number, version: number): void;
  setFlag(row: number, flag: number, on: boolean): void;
}

interface Image {
  readonly row: number;
  /** Milliseconds since the epoch, this machine's clock. */
  readonly at: number;
  /** Absent: the row did not exist. */
  readonly before?: { parent: number; flags: number; updated: number; name: string; version: number };
}

const KEPT_MS = 120_000;
const MOST_IMAGES = 20_000;

/** Recent changes, so that a listing can be answered from an earlier state (a stale index). */
export class History {
  readonly #store: Store;
  #images: Image[] = [];
  #recording = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Starts the recording; items that exist now belong to every earlier state. */
  begin(): void {
    this.#recording = true;
  }

  created(row: number): void {
    if (this.#recording) this.#push({ row, at: Date.now() });
  }

  /** Must be called before the change. */
  changed(row: number): void {
    if (this.#recording) this.#push({ row, at: Date.now(), before: this.#image(row) });
  }

  /** Runs `query` on the state as it was at `time` (milliseconds since the epoch), at most two minutes ago. */
  asOf<T>(time: number, query: () => T): T {
    this.#recording = false;
    const undone: Image[] = [];
    try {
      for (let i = this.#images.length - 1; i >= 0 && this.#images[i]!.at > time; i--) {
        const { row, at, before } = this.#images[i]!;
        undone.push({ row, at, before: this.#image(row) });
        if (before) this.#restore(row, before);
        else this.#store.setFlag(row, Flag.gone, true);
      }
      return query();
    } finally {
      for (const { row, before } of undone.reverse()) if (before) this.#restore(row, before);
      this.#recording = true;
    }
  }

  #image(row: number): NonNullable<Image['before']> {
    const s = this.#store;
    return {
      parent: s.parent.get(row),
      flags: s.flags.get(row),
      updated: s.updated.get(row),
      name: s.name(row),
      version: s.version.get(row),
    };
  }

  #restore(row: number, image: NonNullable<Image['before']>): void {
    const s = this.#store;
    // The flag of a purged row is set first, so that the row is not linked into a folder.
    if ((image.flags & Flag.gone) !== 0) s.setFlag(row, Flag.gone, true);
    if (s.name(row) !== image.name) s.setName(row, image.name);
    s.setParent(row, image.parent);
    s.setUpdated(row, image.updated);
    s.setVersion(row, image.version);
    for (const flag of Object.values(Flag)) s.setFlag(row, flag, (image.flags & flag) !== 0);
  }

  #push(image: Image): void {
    this.#images.push(image);
    if (this.#images.length > MOST_IMAGES || image.at - this.#images[0]!.at > 2 * KEPT_MS) {
      this.#images = this.#images.filter(({ at }) => image.at - at < KEPT_MS).slice(-MOST_IMAGES / 2);
    }
  }
}
