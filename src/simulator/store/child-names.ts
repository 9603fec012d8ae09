interface Store {
  readonly parent: { get(row: number): number };
  name(row: number): string;
  children(folder: number): Iterable<number>;
}

const MOST_FOLDERS = 256;

/** Finds children by name with an index per folder, built at the first lookup and then kept up to date. */
export class ChildNames {
  readonly #store: Store;
  readonly #byFolder = new Map<number, Map<string, number[]>>();
  #keyOf: (name: string) => string = (name) => name;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Sets the function whose results are compared to decide whether two names are equal. */
  setKey(keyOf: (name: string) => string): void {
    this.#keyOf = keyOf;
    this.#byFolder.clear();
  }

  /** The children whose name counts as equal to `name`, including those in the recycle bin. */
  find(folder: number, name: string): readonly number[] {
    return this.#index(folder).get(this.#keyOf(name)) ?? [];
  }

  remember(row: number): void {
    const index = this.#byFolder.get(this.#store.parent.get(row));
    if (index) add(index, this.#keyOf(this.#store.name(row)), row);
  }

  forget(row: number): void {
    const index = this.#byFolder.get(this.#store.parent.get(row));
    if (!index) return;
    const key = this.#keyOf(this.#store.name(row));
    const left = index.get(key)?.filter((other) => other !== row);
    if (left?.length) index.set(key, left);
    else index.delete(key);
  }

  #index(folder: number): Map<string, number[]> {
    let index = this.#byFolder.get(folder);
    if (!index) {
      index = new Map();
      for (const row of this.#store.children(folder)) add(index, this.#keyOf(this.#store.name(row)), row);
      const oldest = this.#byFolder.keys().next();
      if (this.#byFolder.size >= MOST_FOLDERS && !oldest.done) this.#byFolder.delete(oldest.value);
      this.#byFolder.set(folder, index);
    }
    return index;
  }
}

function add(index: Map<string, number[]>, key: string, row: number): void {
  const rows = index.get(key);
  if (rows) rows.push(row);
  else index.set(key, [row]);
}
