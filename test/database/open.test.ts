import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Failure, isFailure } from '#src/base/errors.js';
import { type DatabaseOptions, openDatabase } from '#src/database/open.js';

const folder = mkdtempSync(join(tmpdir(), 'procorefs-database-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const options: DatabaseOptions = {
  migrations: ['CREATE TABLE a (x INTEGER)', 'ALTER TABLE a ADD COLUMN y TEXT'],
  synchronous: 'NORMAL',
  damagedHint: 'delete it',
};
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    return isFailure(error) ? error.code : String(error);
  }
};

t.test('a new database is private and fully migrated', async (t) => {
  const path = join(folder, 'new.db');
  const db = openDatabase(path, options);
  db.prepare('INSERT INTO a (x, y) VALUES (1, ?)').run('one');
  t.equal(db.pragma('user_version', { simple: true }), 2);
  db.close();
  t.equal(statSync(path).mode & 0o777, 0o600);
});

t.test('an older database keeps its rows through a migration', async (t) => {
  const path = join(folder, 'old.db');
  const old = openDatabase(path, { ...options, migrations: options.migrations.slice(0, 1) });
  old.prepare('INSERT INTO a (x) VALUES (7)').run();
  old.close();
  const db = openDatabase(path, options);
  t.strictSame(db.prepare('SELECT x, y FROM a').get(), { x: 7, y: null });
  db.close();
});

t.test('a failing migration leaves the database at the version before it', async (t) => {
  const path = join(folder, 'failing.db');
  openDatabase(path, { ...options, migrations: options.migrations.slice(0, 1) }).close();
  t.throws(() =>
    openDatabase(path, { ...options, migrations: [options.migrations[0]!, 'CREATE TABLE b (z); NONSENSE'] }),
  );
  const db = openDatabase(path, options);
  t.strictSame(db.prepare("SELECT name FROM sqlite_master WHERE name = 'b'").all(), []);
  db.close();
});

t.test('a newer or damaged database, or one out of reach, is a named failure', async (t) => {
  const path = join(folder, 'newer.db');
  openDatabase(path, { ...options, migrations: [...options.migrations, 'CREATE TABLE c (x)'] }).close();
  t.equal(
    codeOf(() => openDatabase(path, options)),
    'database-newer',
  );
  const broken = join(folder, 'broken.db');
  writeFileSync(broken, 'this is not a database, and long enough to look like a header'.repeat(100));
  t.equal(
    codeOf(() => openDatabase(broken, options)),
    'database-damaged',
  );
  try {
    openDatabase(broken, options);
  } catch (error) {
    t.match((error as Failure).line, /delete it/);
  }
  t.equal(
    codeOf(() => openDatabase(join(folder, 'missing', 'x.db'), options)),
    'state-unwritable',
  );
});
