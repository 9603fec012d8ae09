import type { DatabaseOptions } from '../database/open.js';

/**
 * `file` names the blob's file and is never reused, so that a row that a power failure brings back refers to no file.
 * `ranges` is null if the blob is complete. `bytes` is what the blob occupies on disk. `epoch` is 0 once the bytes are
 * known to be on stable storage, else the number of the file system sync that will put them there.
 */
const initial = `
CREATE TABLE blobs (
  version INTEGER PRIMARY KEY,
  remote INTEGER NOT NULL,
  file INTEGER NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  ranges BLOB,
  used INTEGER NOT NULL,
  epoch INTEGER NOT NULL
) STRICT;
CREATE INDEX blobs_by_use ON blobs (used, version);
CREATE INDEX blobs_unsynced ON blobs (epoch) WHERE epoch > 0;
CREATE TABLE state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  bytes INTEGER NOT NULL,
  blobs INTEGER NOT NULL,
  boot TEXT NOT NULL,
  clean INTEGER NOT NULL,
  epoch INTEGER NOT NULL
) STRICT;
INSERT INTO state (id, bytes, blobs, boot, clean, epoch) VALUES (1, 0, 0, '', 1, 1);
CREATE TRIGGER blobs_added AFTER INSERT ON blobs BEGIN
  UPDATE state SET bytes = bytes + new.bytes, blobs = blobs + 1;
END;
CREATE TRIGGER blobs_removed AFTER DELETE ON blobs BEGIN
  UPDATE state SET bytes = bytes - old.bytes, blobs = blobs - 1;
END;
CREATE TRIGGER blobs_grown AFTER UPDATE OF bytes ON blobs WHEN new.bytes <> old.bytes BEGIN
  UPDATE state SET bytes = bytes + new.bytes - old.bytes;
END;
`;

/**
 * Checksums of the bytes on disk, one row per 64 MiB of a version (`Sums` reads and writes them). Blobs from before
 * this migration have none: their bytes are trusted when they are first read.
 */
const sums = `
CREATE TABLE sums (
  version INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  pieces BLOB NOT NULL,
  PRIMARY KEY (version, chunk)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER sums_removed AFTER DELETE ON blobs BEGIN
  DELETE FROM sums WHERE version = old.version;
END;
`;

/** The entity tag that the storage sent with the cached bytes; NULL: none. */
const tags = 'ALTER TABLE blobs ADD COLUMN etag TEXT;';

/** Options with which `cache.db` is opened. */
export const indexOptions: DatabaseOptions = {
  migrations: [initial, sums, tags],
  synchronous: 'NORMAL',
  damagedHint: 'delete it: what it indexes is fetched again',
};
