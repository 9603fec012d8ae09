import type { DatabaseOptions } from '../../database/open.js';

/**
 * Local changes that the server has not confirmed. Unlike the mirror, they exist nowhere else. Times are milliseconds
 * since the epoch by this machine's clock.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  -- One row an item that differs from the server. What cancels out leaves no row.
  CREATE TABLE intents (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL,        -- 0: not at the server
    folder INTEGER NOT NULL,
    parent INTEGER NOT NULL,           -- inode of the folder in which it is here
    name TEXT NOT NULL,                -- as shown here
    deleted INTEGER NOT NULL,
    base_parent INTEGER NOT NULL,      -- where the server has it; 0: nowhere
    base_name TEXT NOT NULL,
    base_version INTEGER NOT NULL,     -- the content that the local one was made from; 0: none
    base_number INTEGER NOT NULL,
    base_size INTEGER NOT NULL,
    sequence INTEGER NOT NULL,         -- of the node id
    staged INTEGER NOT NULL,           -- 1: a staging file holds the content
    dirty INTEGER NOT NULL,            -- 1: the content must go up
    content_item INTEGER NOT NULL,     -- where content comes from that is not staged yet: file,
    content_version INTEGER NOT NULL,  -- version; 0: nowhere
    size INTEGER NOT NULL,
    mtime REAL NOT NULL,               -- seconds since the epoch
    mode INTEGER,                      -- permission bits; NULL: as mounted
    flushed INTEGER NOT NULL,          -- 1: a close or sync has acknowledged the content
    state TEXT NOT NULL,
    reason TEXT,
    changed_at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    attempt_at INTEGER NOT NULL,       -- 0: no call that changes something is under way
    released INTEGER NOT NULL,         -- 1: a person said that the brake must not hold it
    who TEXT NOT NULL,
    upload TEXT                        -- resume state of an upload
  );

  -- Times and modes set here, until a foreign version arrives.
  CREATE TABLE attributes (
    inode INTEGER PRIMARY KEY,
    version_id INTEGER NOT NULL,       -- 0: a folder
    mtime REAL,
    mode INTEGER
  );
  `,
  `
  -- What this mount has checked out at the server.
  CREATE TABLE checkouts (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL,
    until INTEGER NOT NULL,            -- seconds since the epoch
    why TEXT NOT NULL                  -- open, asked
  );
  `,
  `
  -- Boot and disk at which the content was acknowledged without being on the platter; NULL: it is there.
  ALTER TABLE intents ADD COLUMN volatile TEXT;
  `,
  `
  -- What of the staging file is still to come, and from which version (JSON); NULL: all of it is there.
  ALTER TABLE intents ADD COLUMN gaps TEXT;
  `,
  `
  -- When the staging file had changed last as its content was acknowledged, milliseconds; 0: not known.
  ALTER TABLE intents ADD COLUMN staged_at REAL NOT NULL DEFAULT 0;
  `,
  `
  -- What the call at attempt_at was to bring about (JSON: parent, name, size, upload); NULL: no outcome is unknown.
  ALTER TABLE intents ADD COLUMN attempted TEXT;
  UPDATE intents SET attempted = json_object('parent', parent, 'name', name, 'size', size)
    WHERE attempt_at > 0 AND deleted = 0;
  `,
  `
  -- Files that were deleted or overwritten at the server lately without having been released.
  CREATE TABLE taken_away (
    at INTEGER PRIMARY KEY,
    files INTEGER NOT NULL
  );
  `,
  `
  -- What people want kept here; of a folder all that is below it.
  CREATE TABLE pins (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL,        -- 0: it was not at the server
    since INTEGER NOT NULL
  );
  `,
  `
  -- For which items of the server the numbers stand by which the other tables refer to them.
  CREATE TABLE identities (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL UNIQUE
  );
  `,
  `
  -- Calls without an effect so far that the server may finish yet.
  CREATE TABLE late_calls (
    at INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,              -- 1: a job's
    remote_id INTEGER NOT NULL,        -- the file that was to get a version; 0: a file was to be made
    parent_id INTEGER NOT NULL,
    name TEXT NOT NULL,                -- as at the server
    digests TEXT NOT NULL              -- JSON: size and SHA-256 of each stretch of the content
  );
  `,
  `
  -- Deletions that were not carried out, since the server had something that nobody here had seen.
  CREATE TABLE kept (
    remote_id INTEGER PRIMARY KEY,
    inode INTEGER NOT NULL,
    path TEXT NOT NULL,
    why TEXT NOT NULL,
    at INTEGER NOT NULL
  );
  `,
  `
  -- A deletion among the late calls (JSON: server time of the look before, version that was seen); NULL: another call.
  ALTER TABLE late_calls ADD COLUMN removal TEXT;
  `,
  `
  -- Each job knows its own calls only, and from which version each was made.
  ALTER TABLE late_calls RENAME TO old_late_calls;
  CREATE TABLE late_calls (
    at INTEGER PRIMARY KEY,
    job TEXT NOT NULL,                 -- its id; '': what people changed
    remote_id INTEGER NOT NULL,        -- the file that was to get a version, or the item that was to go; 0: a new file
    parent_id INTEGER NOT NULL,
    name TEXT NOT NULL,                -- as at the server
    base_number INTEGER NOT NULL,      -- of the version before; 0: not known
    digests TEXT NOT NULL,             -- JSON: size and SHA-256 of each stretch of the content
    removal TEXT                       -- JSON, of a deletion: server time of the look before, version that was seen
  );
  INSERT INTO late_calls
    SELECT at, IIF(job, 'unknown', ''), remote_id, parent_id, name, 0, digests, removal FROM old_late_calls;
  DROP TABLE old_late_calls;
  `,
];

/** NORMAL: a commit survives a crash of the process. `Intents.sync` puts it on stable storage as well. */
export const outboxOptions: DatabaseOptions = {
  migrations,
  synchronous: 'NORMAL',
  exclusive: true,
  damagedHint: 'stop: it holds changes that are nowhere else; move it aside, keep the staging folder, and ask for help',
};
