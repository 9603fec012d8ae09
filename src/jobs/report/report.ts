import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { childPath } from '../../endpoints/paths.js';
import type { Job } from '../definition/job-schema.js';
import type { RunOutcome } from '../run/execution.js';
import type { AuditEvent, Execution } from '../store/executions.js';
import type { RunItem } from '../store/items.js';
import type { JobStore } from '../store/job-store.js';
import type { TransferRecord } from '../store/records.js';
import { csvLine } from './csv.js';

/** Lines of `items.csv`: each item that the run acted on. */
export function* itemLines(items: Iterable<RunItem>): Generator<string> {
  yield csvLine(['path', 'destination', 'type', 'action', 'status', 'reason', 'bytes', 'items', 'attempts', 'done']);
  for (const item of items)
    yield csvLine([
      childPath(item.folder, item.name),
      childPath(item.otherFolder, item.otherName),
      item.isFolder ? 'folder' : 'file',
      item.action,
      item.status,
      item.reason,
      item.bytes,
      item.count,
      item.attempts,
      item.doneAt === undefined ? undefined : new Date(item.doneAt).toISOString(),
    ]);
}

/** Lines of `manifest.csv`: each item with another name at the destination than at the source. */
export function* manifestLines(records: Iterable<TransferRecord>): Generator<string> {
  yield csvLine(['path', 'name at the destination', 'type', 'reason']);
  for (const record of records)
    yield csvLine([
      childPath(record.folder, record.name),
      record.otherName,
      record.isFolder ? 'folder' : 'file',
      record.renamed,
    ]);
}

/** Lines of a run's audit, as far as its `audit_level` kept events. */
export function* auditLines(events: Iterable<AuditEvent>): Generator<string> {
  yield csvLine(['at', 'level', 'event', 'path', 'reason']);
  for (const { at, level, event, path, reason } of events)
    yield csvLine([new Date(at).toISOString(), level, event, path, reason ?? undefined]);
}

/** Content of `summary.json`. Times are ISO 8601. */
export function summaryOf(job: Job, execution: Execution, outcome: RunOutcome) {
  const { source, destination } = job.transfer;
  const { source: at_source, destination: at_destination, processing: _, ...counts } = outcome.stats;
  return {
    job: { id: job.id, name: job.name, type: job.transfer.transfer_type },
    source: `${source.connection.id}:${source.target.path}`,
    destination: `${destination.connection.id}:${destination.target.path}`,
    execution: execution.id,
    simulation: execution.simulation,
    started: new Date(execution.started).toISOString(),
    ended: execution.ended === undefined ? undefined : new Date(execution.ended).toISOString(),
    status: outcome.status,
    reason: outcome.reason,
    calls: execution.calls,
    ...counts,
    at_source,
    at_destination,
    excluded: outcome.estimate.excluded,
    private: outcome.estimate.private,
    private_open: outcome.estimate.private_open,
    private_excluded: outcome.estimate.private_excluded,
    renamed: outcome.estimate.renames,
  };
}

/**
 * Writes the report of a run: `summary.json`, `items.csv`, `manifest.csv`. Written as streams, since a run may have a
 * million items.
 * @returns the folder
 */
export async function writeReport(
  folder: string,
  store: JobStore,
  job: Job,
  execution: Execution,
  outcome: RunOutcome,
): Promise<string> {
  const path = joinPath(folder, String(execution.id));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const items = store.items(execution.id);
  const write = (name: string, lines: Iterable<string>): Promise<void> =>
    pipeline(Readable.from(lines), createWriteStream(joinPath(path, name), { mode: 0o600 }));
  await write('items.csv', itemLines(items.rows()));
  await write('manifest.csv', manifestLines(store.records(job.id).renamed()));
  writeFileSync(joinPath(path, 'summary.json'), `${JSON.stringify(summaryOf(job, execution, outcome), null, 2)}\n`, {
    mode: 0o600,
  });
  return path;
}
