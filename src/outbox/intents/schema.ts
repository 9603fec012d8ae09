import type { DatabaseOptions } from '../../database/open.js';

/**
 * Local changes that the server has not confirmed. Unlike the mirror, they exist nowhere else. Times are milliseconds
 * since the epoch by this machine's clock.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  -- One row for each item that differs from the server. Changes that cancel out leave no row.
  CREATE TABLE intents (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL,        -- 0: not at the server
    folder INTEGER NOT NULL,
    parent INTEGER NOT NULL,           -- inode of its local folder
    name TEXT NOT NULL,                -- as shown here
    deleted INTEGER NOT NULL,
    base_parent INTEGER NOT NULL,      -- its folder at the server; 0: not at the server
    base_name TEXT NOT NULL,
    base_version INTEGER NOT NULL,     -- version that the local content was made from; 0: none
    base_number INTEGER NOT NULL,
    base_size INTEGER NOT NULL,
    sequence INTEGER NOT NULL,         -- part of the node id
    staged INTEGER NOT NULL,           -- 1: a staging file holds the content
    dirty INTEGER NOT NULL,            -- 1: the content must be uploaded
    content_item INTEGER NOT NULL,     -- source of content that is not staged yet: file,
    content_version INTEGER NOT NULL,  -- version; 0: none
    size INTEGER NOT NULL,
    mtime REAL NOT NULL,               -- seconds since the epoch
    mode INTEGER,                      -- permission bits; NULL: as mounted
    flushed INTEGER NOT NULL,          -- 1: a close or sync has acknowledged the content
    state TEXT NOT NULL,
    reason TEXT,
    changed_at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    attempt_at INTEGER NOT NULL,       -- start of the call in progress that changes it; 0: none
    released INTEGER NOT NULL,         -- 1: a user exempted it from the delete guard
    who TEXT NOT NULL,
    upload TEXT                        -- JSON: state of an upload that can be resumed
  );

  -- Times and modes set locally, valid until another user's version arrives.
  CREATE TABLE attributes (
    inode INTEGER PRIMARY KEY,
    version_id INTEGER NOT NULL,       -- 0: a folder
    mtime REAL,
    mode INTEGER
  );
  `,
  `
  -- Files that this mount has checked out at the server.
  CREATE TABLE checkouts (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL,
    until INTEGER NOT NULL,            -- seconds since the epoch
    why TEXT NOT NULL                  -- open, asked
  );
  `,
  `
  -- Boot and disk at which the content was acknowledged before it was on stable storage; NULL: it is on it.
  ALTER TABLE intents ADD COLUMN volatile TEXT;
  `,
  `
  -- Ranges missing in the staging file, and the version they come from (JSON); NULL: none.
  ALTER TABLE intents ADD COLUMN gaps TEXT;
  `,
  `
  -- mtime of the staging file when its content was acknowledged, milliseconds; 0: unknown.
  ALTER TABLE intents ADD COLUMN staged_at REAL NOT NULL DEFAULT 0;
  `,
  `
  -- Intended result of the call at attempt_at (JSON: parent, name, size, upload); NULL: no call has an unknown outcome.
  ALTER TABLE intents ADD COLUMN attempted TEXT;
  UPDATE intents SET attempted = json_object('parent', parent, 'name', name, 'size', size)
    WHERE attempt_at > 0 AND deleted = 0;
  `,
  `
  -- Number of unreleased files that were recently deleted or overwritten at the server, by time.
  CREATE TABLE taken_away (
    at INTEGER PRIMARY KEY,
    files INTEGER NOT NULL
  );
  `,
  `
  -- Pinned items; a pinned folder includes everything below it.
  CREATE TABLE pins (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL,        -- 0: not at the server
    since INTEGER NOT NULL
  );
  `,
  `
  -- Server items behind the inodes that the other tables refer to.
  CREATE TABLE identities (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL UNIQUE
  );
  `,
  `
  -- Calls that seemed to fail and that the server may still finish.
  CREATE TABLE late_calls (
    at INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,              -- 1: call of a job
    remote_id INTEGER NOT NULL,        -- file that the call adds a version to; 0: the call creates a file
    parent_id INTEGER NOT NULL,
    name TEXT NOT NULL,                -- as at the server
    digests TEXT NOT NULL              -- JSON: size and SHA-256 of each segment of the content
  );
  `,
  `
  -- Deletions that were not sent, since the server had content that no local user had seen.
  CREATE TABLE kept (
    remote_id INTEGER PRIMARY KEY,
    inode INTEGER NOT NULL,
    path TEXT NOT NULL,
    why TEXT NOT NULL,
    at INTEGER NOT NULL
  );
  `,
  `
  -- For a deletion, JSON: server time of the last check, version that was seen; NULL: another call.
  ALTER TABLE late_calls ADD COLUMN removal TEXT;
  `,
  `
  -- Each job knows only its own calls, and the version that each one is based on.
  ALTER TABLE late_calls RENAME TO old_late_calls;
  CREATE TABLE late_calls (
    at INTEGER PRIMARY KEY,
    job TEXT NOT NULL,                 -- id of the job; '': a change made on the mount
    remote_id INTEGER NOT NULL,        -- file that gets a version, or item that is deleted; 0: a new file
    parent_id INTEGER NOT NULL,
    name TEXT NOT NULL,                -- as at the server
    base_number INTEGER NOT NULL,      -- number of the previous version; 0: unknown
    digests TEXT NOT NULL,             -- JSON: size and SHA-256 of each segment of the content
    removal TEXT                       -- for a deletion, JSON: server time of the last check, version that was seen
  );
  INSERT INTO late_calls
    SELECT at, IIF(job, 'unknown', ''), remote_id, parent_id, name, 0, digests, removal FROM old_late_calls;
  DROP TABLE old_late_calls;
  `,
  `
  -- 'withdrawn', or what a call did to the item late.
  ALTER TABLE kept ADD COLUMN what TEXT NOT NULL DEFAULT 'withdrawn';
  `,
];

/** NORMAL: a commit survives a crash of the process. `Intents.sync` puts it on stable storage as well. */
export const outboxOptions: DatabaseOptions = {
  migrations,
  synchronous: 'NORMAL',
  exclusive: true,
  damagedHint:
    'stop: it holds changes that exist nowhere else; move it to another folder, keep the staging folder, and ask for help',
};
