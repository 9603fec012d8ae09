/**
 * The last known state of one project at the server. Rebuilt from the server if lost. Times are seconds, server time.
 */
export const mirrorMigrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  CREATE TABLE people (person INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

  -- The project's root is inode 1; numbers below 16 stay free for what has no row at the server. Never used twice.
  CREATE TABLE items (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL UNIQUE,
    parent_id INTEGER NOT NULL,            -- remote id of the folder; 0 for the root
    name TEXT NOT NULL,                    -- as shown on Linux, unique among the visible children of a folder
    remote_name TEXT,                      -- as at the server, where it differs
    flags INTEGER NOT NULL,                -- see flags.ts
    updated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,              -- when the reply was made that the row comes from
    size INTEGER NOT NULL DEFAULT 0,       -- bytes; this and the following of the current version
    version_id INTEGER NOT NULL DEFAULT 0, -- 0: a folder
    version_number INTEGER NOT NULL DEFAULT 0,
    version_at INTEGER NOT NULL DEFAULT 0,
    node_sequence INTEGER NOT NULL DEFAULT 0, -- counts the versions that this mirror has seen
    created_by INTEGER REFERENCES people,
    checked_out_by INTEGER REFERENCES people,
    checked_out_until INTEGER
  );
  CREATE UNIQUE INDEX items_by_name ON items (parent_id, name) WHERE flags & 7 = 0;
  -- Covers what a listing shows: rows of one folder lie together here, while in the table they are scattered.
  CREATE INDEX items_by_parent ON items
    (parent_id, inode, name, flags, updated_at, size, version_at, node_sequence) WHERE flags & 7 = 0;
  CREATE INDEX files_by_update ON items (updated_at, remote_id) WHERE flags & 15 = 8;

  CREATE TABLE urls (
    inode INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    version_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    fetched_at INTEGER NOT NULL            -- server time of the reply
  );

  -- Folders whose children are all known although the crawl is not done.
  CREATE TABLE listed (remote_id INTEGER PRIMARY KEY, listed_at INTEGER NOT NULL);
  -- Folders whose children are not known although the crawl is done (they came into sight later).
  CREATE TABLE unlisted (remote_id INTEGER PRIMARY KEY);
  `,
  `
  -- Items that our own calls changed lately: listings that are older than that do not count for them.
  CREATE TABLE confirmed (remote_id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
  `,
  `
  -- With files_by_update, what a sweep compares a page of the index with.
  CREATE INDEX others_by_update ON items (updated_at) WHERE flags & 15 <> 8;
  `,
  `
  -- What is in the recycle bin: as a rule few rows of all.
  CREATE INDEX recycled_by_inode ON items (inode) WHERE flags & 7 = 1;
  CREATE INDEX recycled_by_parent ON items (parent_id, inode) WHERE flags & 7 = 1;
  CREATE INDEX recycled_by_name ON items (coalesce(remote_name, name), parent_id) WHERE flags & 7 = 1;
  `,
  `
  -- The name without case, once a mount asked for look-ups that ignore it; unique then as well.
  ALTER TABLE items ADD COLUMN fold TEXT;
  CREATE UNIQUE INDEX items_by_fold ON items (parent_id, fold) WHERE flags & 7 = 0 AND fold IS NOT NULL;
  `,
  `
  -- What is shown under another name than its own: as a rule few rows of all.
  CREATE INDEX items_by_remote_name ON items (parent_id, remote_name) WHERE remote_name IS NOT NULL AND flags & 7 = 0;
  `,
  `
  -- Whether our call deleted it.
  ALTER TABLE confirmed ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
  `,
];
