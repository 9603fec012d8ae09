import t from 'tap';
import { openScratch } from '#src/database/scratch.js';
import { bit, Column, json, OptionalGroup, optional, Table } from '#src/database/table.js';

interface Place {
  readonly folder: number;
  readonly name: string;
}

interface Thing {
  readonly id: number;
  readonly isOpen: boolean;
  readonly place: Place & { readonly mode: number | undefined };
  readonly before: (Place & { readonly why: string | undefined }) | undefined;
  readonly parts: readonly number[] | undefined;
  readonly bytes: Uint8Array;
  readonly state: number;
  readonly isOld: boolean;
}

const things = new Table<Thing>('things', {
  id: 'id',
  isOpen: bit('is_open'),
  place: { folder: 'folder', name: 'name', mode: optional('mode') },
  before: new OptionalGroup<NonNullable<Thing['before']>>({ folder: 'b_folder', name: 'b_name', why: optional('why') }),
  parts: json('parts'),
  bytes: 'bytes',
  state: 'state',
  isOld: new Column('state', (state: number) => state > 1),
});

const thing: Thing = {
  id: 1,
  isOpen: true,
  place: { folder: 7, name: 'a', mode: 0o640 },
  before: { folder: 8, name: 'b', why: 'moved' },
  parts: [1, 2],
  bytes: Buffer.from('x'),
  state: 2,
  isOld: true,
};

const opened = () =>
  openScratch(`CREATE TABLE things (id INTEGER PRIMARY KEY, b_name TEXT, b_folder INTEGER, why TEXT, folder INTEGER NOT NULL,
    name TEXT NOT NULL, mode INTEGER, is_open INTEGER NOT NULL, parts TEXT, bytes BLOB NOT NULL, state INTEGER NOT NULL)`);

t.test('an item comes back as it was written, with nested objects', async (t) => {
  const db = opened();
  const all = things.select<[]>(db, 'ORDER BY id');
  const put = things.insert(db, 'OR REPLACE');
  put({ ...thing, isOpen: false });
  put(thing);
  const bare: Thing = {
    ...thing,
    id: 2,
    place: { folder: 7, name: '', mode: undefined },
    before: undefined,
    parts: undefined,
    state: 0,
    isOld: false,
  };
  put(bare);
  t.strictSame(all.all(), [thing, bare]);
  t.strictSame(things.select<[number]>(db, 'WHERE id = ?').get(2), bare);
  t.equal(things.select<[number]>(db, 'WHERE id = ?').get(3), undefined);
  t.strictSame(db.prepare('SELECT is_open, mode, b_folder, b_name, why, parts FROM things WHERE id = 2').get(), {
    is_open: 1,
    mode: null,
    b_folder: null,
    b_name: null,
    why: null,
    parts: null,
  });
  db.close();
});

t.test('a row is added only once, unless it replaces the other', async (t) => {
  const db = opened();
  const add = things.insert(db);
  add(thing);
  t.throws(() => add(thing), { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' });
  db.close();
});
