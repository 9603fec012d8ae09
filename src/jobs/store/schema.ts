import type { DatabaseOptions } from '../../database/open.js';

/**
 * Jobs, their runs, and the items of each run. Times are milliseconds since the epoch unless a column says otherwise.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  CREATE TABLE categories (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE);

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,                 -- JSON by job-schema.ts, without the category
    category TEXT REFERENCES categories,
    status TEXT NOT NULL,
    health TEXT NOT NULL,
    execute_on INTEGER,
    executions INTEGER NOT NULL DEFAULT 0,
    completions INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    request TEXT,                       -- what a user asked for: start, pause, resume, cancel
    request_options TEXT,               -- JSON
    created_by TEXT NOT NULL,
    created_on INTEGER NOT NULL,
    modified_by TEXT NOT NULL,
    modified_on INTEGER NOT NULL
  );

  CREATE TABLE executions (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    status TEXT NOT NULL,
    phase TEXT NOT NULL,
    trigger TEXT NOT NULL,              -- schedule, manual
    simulation INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    calls INTEGER NOT NULL DEFAULT 0,
    stats TEXT NOT NULL DEFAULT '{}',   -- JSON
    reason TEXT
  );
  CREATE INDEX executions_of_job ON executions (job, id);

  -- State of both sides when an item was last transferred: anything that differs is new.
  CREATE TABLE records (
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    folder TEXT NOT NULL,               -- path at the source; '' is the root
    name TEXT NOT NULL,
    is_folder INTEGER NOT NULL,
    other_name TEXT NOT NULL,           -- at the destination
    renamed TEXT,                       -- why the names differ
    s_size INTEGER, s_mtime REAL, s_version TEXT,
    d_size INTEGER, d_mtime REAL, d_version TEXT,
    PRIMARY KEY (job, folder, name)
  ) WITHOUT ROWID;

  -- What a run does or did, one row for each item. Items without a difference are only counted.
  CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    rank INTEGER NOT NULL,              -- 0: left over from the run before, 1: content, 2: deletions
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    other_folder TEXT NOT NULL,
    other_name TEXT NOT NULL,
    is_folder INTEGER NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    renamed TEXT,
    bytes INTEGER NOT NULL,
    count INTEGER NOT NULL,             -- items that the row stands for, with those below a folder handled as a whole
    attempts INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER
  );
  CREATE INDEX items_in_order ON items (execution, status, rank, id);
  CREATE INDEX items_by_place ON items (execution, folder, name);

  CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    at INTEGER NOT NULL,
    level TEXT NOT NULL,
    event TEXT NOT NULL,
    path TEXT NOT NULL,
    reason TEXT
  );
  CREATE INDEX audit_of_execution ON audit (execution, id);
  `,
  `
  CREATE INDEX records_renamed ON records (job, folder, name) WHERE renamed IS NOT NULL;
  `,
  // The key was stored as a default that nobody had asked for; now true means that the job is refused where times
  // cannot be set.
  `
  UPDATE jobs SET body = json_remove(body, '$.transfer.timestamps')
    WHERE json_extract(body, '$.transfer.timestamps') = 1;

  -- Flagged items that a user chose to ignore, by path at the source.
  CREATE TABLE ignored (
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (job, folder, name)
  ) WITHOUT ROWID;
  `,
  // For pages of a run's items.
  `
  CREATE INDEX items_of_execution ON items (execution);
  `,
  `
  CREATE INDEX items_renamed ON items (execution, id) WHERE renamed IS NOT NULL;
  `,
  // For the folders among a run's items.
  `
  CREATE INDEX items_folders ON items (execution) WHERE is_folder = 1;
  `,
  // For text search in flagged items: contains the text, so that the rows need not be read.
  `
  CREATE INDEX items_flagged ON items (execution, status, rank, id, folder, name)
    WHERE status IN ('remediation', 'retry');
  `,
  // Unfinished segmented uploads. Their URLs are signed, so they are secret; the file of this database is as well.
  `
  CREATE TABLE uploads (
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    place TEXT NOT NULL,                -- project and path
    state TEXT NOT NULL,                -- JSON
    at INTEGER NOT NULL,
    PRIMARY KEY (job, place)
  ) WITHOUT ROWID;
  `,
  // Ids by which the platform distinguishes an item from another one that takes its name.
  `
  ALTER TABLE records ADD COLUMN s_id TEXT;
  ALTER TABLE records ADD COLUMN d_id TEXT;

  -- Mount points of the file systems that hold local folders of a job.
  CREATE TABLE mounts (
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    side TEXT NOT NULL,                 -- source, destination
    mountpoint TEXT NOT NULL,
    PRIMARY KEY (job, side)
  ) WITHOUT ROWID;
  `,
  // For the delete guard: recent deletions.
  `
  ALTER TABLE executions ADD COLUMN allows_deletions INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX items_deleted ON items (done_at) WHERE status = 'success' AND action IN ('delete', 'delete-source');
  `,
];

export const jobsDatabase: DatabaseOptions = {
  migrations,
  synchronous: 'NORMAL',
  damagedHint: 'stop; move it to another folder, and define the jobs again: their first run compares both sides',
};
