/**
 * The last known state of one project at the server. Rebuilt from the server if lost. Times are seconds, server time.
 */
export const mirrorMigrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  CREATE TABLE people (person INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

  -- The project's root is inode 1; numbers below 16 are reserved for items that the server lacks. Never reused.
  CREATE TABLE items (
    inode INTEGER PRIMARY KEY,
    remote_id INTEGER NOT NULL UNIQUE,
    parent_id INTEGER NOT NULL,            -- remote id of the folder; 0 for the root
    name TEXT NOT NULL,                    -- as shown on Linux, unique among the visible children of a folder
    remote_name TEXT,                      -- as at the server, where it differs
    flags INTEGER NOT NULL,                -- see flags.ts
    updated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,              -- server time of the reply that the row comes from
    size INTEGER NOT NULL DEFAULT 0,       -- bytes; this and the next columns describe the current version
    version_id INTEGER NOT NULL DEFAULT 0, -- 0: a folder
    version_number INTEGER NOT NULL DEFAULT 0,
    version_at INTEGER NOT NULL DEFAULT 0,
    node_sequence INTEGER NOT NULL DEFAULT 0, -- number of versions that this mirror has seen
    created_by INTEGER REFERENCES people,
    checked_out_by INTEGER REFERENCES people,
    checked_out_until INTEGER
  );
  CREATE UNIQUE INDEX items_by_name ON items (parent_id, name) WHERE flags & 7 = 0;
  -- Covers the columns of a listing: rows of one folder are adjacent here, and scattered in the table.
  CREATE INDEX items_by_parent ON items
    (parent_id, inode, name, flags, updated_at, size, version_at, node_sequence) WHERE flags & 7 = 0;
  CREATE INDEX files_by_update ON items (updated_at, remote_id) WHERE flags & 15 = 8;

  CREATE TABLE urls (
    inode INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    version_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    fetched_at INTEGER NOT NULL            -- server time of the reply
  );

  -- Folders whose children are all known before the crawl is done.
  CREATE TABLE listed (remote_id INTEGER PRIMARY KEY, listed_at INTEGER NOT NULL);
  -- Folders whose children are unknown after the crawl (they became visible later).
  CREATE TABLE unlisted (remote_id INTEGER PRIMARY KEY);
  `,
  `
  -- Items that our own calls changed recently: older listings do not count for them.
  CREATE TABLE confirmed (remote_id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
  `,
  `
  -- With files_by_update, the rows that a sweep compares with a page of the server's index.
  CREATE INDEX others_by_update ON items (updated_at) WHERE flags & 15 <> 8;
  `,
  `
  -- Items in the recycle bin: usually a small part of all rows.
  CREATE INDEX recycled_by_inode ON items (inode) WHERE flags & 7 = 1;
  CREATE INDEX recycled_by_parent ON items (parent_id, inode) WHERE flags & 7 = 1;
  CREATE INDEX recycled_by_name ON items (coalesce(remote_name, name), parent_id) WHERE flags & 7 = 1;
  `,
  `
  -- The case-folded name, once a mount asked for look-ups that ignore case; unique as well.
  ALTER TABLE items ADD COLUMN fold TEXT;
  CREATE UNIQUE INDEX items_by_fold ON items (parent_id, fold) WHERE flags & 7 = 0 AND fold IS NOT NULL;
  `,
  `
  -- Items shown under another name than their own: usually a small part of all rows.
  CREATE INDEX items_by_remote_name ON items (parent_id, remote_name) WHERE remote_name IS NOT NULL AND flags & 7 = 0;
  `,
  `
  -- 1: our own call deleted it.
  ALTER TABLE confirmed ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
  `,
];
