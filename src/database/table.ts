import type { Database } from './open.js';

/** A value as the database holds it. */
type Stored = number | string | Uint8Array | null;

/** A column whose values differ from those of the field. */
export class Column<Value> {
  /**
   * @param column its name; in a table that is only read, also an SQL expression
   * @param write undefined: another field writes the column
   */
  constructor(
    readonly column: string,
    readonly read: (stored: never) => Value,
    readonly write?: (value: Value) => Stored,
  ) {}
}

/** The columns of an object that is undefined where the first of them is NULL. */
export class OptionalGroup<Value> {
  constructor(readonly columns: Columns<Value>) {}
}

/**
 * The columns of an item's fields: the name of a column that holds the value itself, a column with a conversion, or the
 * columns of the fields of a nested object.
 */
export type Columns<Item> = {
  readonly [Field in keyof Item]-?:
    | Column<Item[Field]>
    | ([Item[Field]] extends [Stored] ? string : never)
    | (undefined extends Item[Field] ? OptionalGroup<NonNullable<Item[Field]>> : never)
    | ([Item[Field]] extends [object] ? Columns<Item[Field]> : never);
};

/** A boolean as 0 or 1. */
export const bit = (column: string): Column<boolean> => new Column(column, (stored: number) => stored === 1, Number);

/** NULL for undefined. */
export const optional = <Value extends Stored>(column: string): Column<Value | undefined> =>
  new Column<Value | undefined>(
    column,
    (stored: Value | null) => stored ?? undefined,
    (value) => value ?? null,
  );

/** JSON text; NULL for undefined. */
export const json = <Value>(column: string): Column<Value> =>
  new Column<Value>(
    column,
    (stored: string | null) => (stored === null ? undefined : JSON.parse(stored)) as Value,
    (value) => (value === undefined ? null : JSON.stringify(value)),
  );

/** Values in the order of a table's columns: several times as fast to read as an object. */
type RawRow = readonly Stored[];

export interface Selection<Parameters extends unknown[], Item> {
  get(...parameters: Parameters): Item | undefined;
  all(...parameters: Parameters): Item[];
}

/** The mapping between the rows of a table and items. */
export class Table<Item> {
  readonly name: string;
  readonly #columns: readonly string[];
  readonly #read: (row: RawRow) => Item;
  readonly #write: (item: Item) => Stored[];

  constructor(name: string, columns: Columns<Item>) {
    const { names, codecs, reading, writing } = compiled(columns as AnyColumns);
    this.name = name;
    this.#columns = names;
    // Compiled, since a loop over the columns takes a fifth longer for each row. All text comes from `columns`.
    this.#read = new Function('codecs', `return (row) => (${reading})`)(codecs);
    this.#write = new Function('codecs', `return (item) => [${writing.join(', ')}]`)(codecs);
  }

  /** @param rest what follows the name of the table: index, conditions, order */
  select<Parameters extends unknown[] = unknown[]>(db: Database, rest = ''): Selection<Parameters, Item> {
    const sql = `SELECT ${this.#columns.join(', ')} FROM ${this.name} ${rest}`;
    const statement = db.prepare<unknown[], RawRow>(sql).raw();
    const read = this.#read;
    return {
      get: (...parameters) => {
        const row = statement.get(...parameters);
        return row && read(row);
      },
      all: (...parameters) => statement.all(...parameters).map(read),
    };
  }

  /** Adds a row; with `OR REPLACE`, instead of one with the same key. */
  insert(db: Database, or: '' | 'OR REPLACE' = ''): (item: Item) => void {
    const places = this.#columns.map(() => '?').join(', ');
    const statement = db.prepare(`INSERT ${or} INTO ${this.name} (${this.#columns.join(', ')}) VALUES (${places})`);
    return (item) => statement.run(this.#write(item));
  }
}

interface AnyColumns {
  readonly [field: string]: string | Column<unknown> | OptionalGroup<unknown> | AnyColumns;
}

/**
 * The names of all columns, and JavaScript expressions: `reading` makes an item of a `row`, `writing` each value of a
 * row of an `item`.
 */
function compiled(columns: AnyColumns) {
  const names: string[] = [];
  const codecs: Column<unknown>[] = [];
  const writing: string[] = [];
  const placeOf = (name: string): number => (names.includes(name) ? names.indexOf(name) : names.push(name) - 1);
  const fieldOf = (column: AnyColumns[string], path: string): string => {
    if (typeof column === 'string') {
      const place = placeOf(column);
      writing[place] = `${path} ?? null`;
      return `row[${place}]`;
    }
    if (column instanceof Column) {
      const codec = `codecs[${codecs.push(column) - 1}]`;
      const place = placeOf(column.column);
      if (column.write) writing[place] = `${codec}.write(${path})`;
      return `${codec}.read(row[${place}])`;
    }
    if (!(column instanceof OptionalGroup)) return objectOf(column, path);
    return `row[${names.length}] === null ? undefined : ${objectOf(column.columns as AnyColumns, path)}`;
  };
  const objectOf = (fields: AnyColumns, path: string): string => {
    const parts = Object.entries(fields).map(([field, column]) => `${field}: ${fieldOf(column, `${path}?.${field}`)}`);
    return `{ ${parts.join(', ')} }`;
  };
  return { reading: objectOf(columns, 'item'), names, codecs, writing };
}
