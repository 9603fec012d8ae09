import { join } from 'node:path';
import { type Database, openDatabase } from '../../database/open.js';

/** Users, their sign-ins, the audit log, and reports. Times are Unix seconds. */
const migrations: readonly string[] = [
  `
  CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,                 -- read, manage
    salt BLOB NOT NULL,
    hash BLOB NOT NULL,                 -- scrypt of the password
    created_on INTEGER NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE tokens (
    hash BLOB PRIMARY KEY,              -- SHA-256 of the token: a reader of this file cannot sign in with it
    kind TEXT NOT NULL,                 -- access, refresh
    session TEXT NOT NULL,              -- tokens of one session end together
    user TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_on INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX tokens_of_session ON tokens (session);
  CREATE INDEX tokens_by_end ON tokens (expires_on);

  CREATE TABLE reports (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    filter TEXT NOT NULL,               -- JSON: the query of a list of jobs
    created_by TEXT NOT NULL,
    created_on INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
  `
  -- Used refresh tokens: a second use means that the token was copied.
  ALTER TABLE tokens ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;
  `,
  `
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    who TEXT NOT NULL,
    origin TEXT NOT NULL,               -- address, socket, command line
    what TEXT NOT NULL,
    result TEXT NOT NULL
  );
  CREATE INDEX audit_by_time ON audit (time);
  CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is not changed'); END;
  CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit WHEN OLD.time > unixepoch() - 400 * 86400
    BEGIN SELECT RAISE(ABORT, 'the audit log is kept'); END;
  `,
];

/** `server.db` of a state folder. @throws Failure `database-damaged`, `database-newer`, `state-unwritable` */
export const openServerDatabase = (stateFolder: string): Database =>
  openDatabase(join(stateFolder, 'server.db'), {
    migrations,
    synchronous: 'FULL',
    damagedHint: 'move it to another folder, and add the users again with `procorefs users add`',
  });
