import { serialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../base/clock.js';
import { failureToJson, isFailure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import { openDatabase } from '../../database/open.js';
import { parseListing } from '../../procore/listing.js';
import { parseIndexPage } from '../../procore/rows.js';
import { unpacked } from '../../procore/transport/body.js';
import type { Change } from './changes.js';
import { mirrorOptions } from './files.js';
import { IndexPositions } from './index-positions.js';
import { pageResult, readIndexPage, type Told } from './page-result.js';
import { type Envelope, MORE, type WriterReply, type WriterRequest } from './protocol.js';
import { setBack } from './set-back.js';
import { FOLDED } from './shown-names.js';
import { SweepPages } from './sweep-pages.js';
import { Writer } from './writer.js';

/** Entry point of the writer thread; see `WriterThread`. */
const { path } = workerData as { path: string };
const db = openDatabase(path, mirrorOptions);
const positions = new IndexPositions(db);
let writer = newWriter();
let sweep = new SweepPages(writer);

/** Changes per message. The receiving thread also answers the kernel and must not be blocked for long. */
const TOLD_AT_ONCE = 150;

const port = parentPort!;
const waiting: Envelope[] = [];
let untold: { readonly id: number; readonly result: unknown; readonly changes: readonly Change[] } | undefined;

port.on('message', (message: Envelope | typeof MORE) => {
  if (message === MORE) tell();
  else waiting.push(message);
  for (let next = waiting[0]; next && !untold; next = waiting[0]) {
    waiting.shift();
    answer(next);
  }
});

function newWriter(): Writer {
  const made = new Writer(db);
  made.crawling = positions.meta('crawl.done') !== 1;
  made.ignoresCase = positions.meta(FOLDED) !== undefined;
  return made;
}

function answer({ id, request }: Envelope): void {
  try {
    untold = { id, ...apart(performed(request)) };
    tell();
  } catch (error) {
    // The class of an error does not survive the transfer between threads.
    const { message, code } = error as Error & { code?: unknown };
    const failure = isFailure(error) ? { failure: failureToJson(error) } : {};
    port.postMessage({ id, error: { message, code, ...failure } } satisfies WriterReply);
  }
  if (request.op === 'close') port.close();
}

/** One transaction, so that whoever sees this thread end knows the changes, stored or not. */
function performed(request: WriterRequest): unknown {
  // Neither can be done within a transaction.
  if (request.op === 'sync' || request.op === 'close') return perform(request);
  return db
    .transaction(() => {
      const done = perform(request);
      const { changes } = apart(done);
      if (changes.length > 0) port.postMessage({ untold: serialize(changes) } satisfies WriterReply);
      return done;
    })
    .immediate();
}

function apart(done: unknown): { readonly result: unknown; readonly changes: readonly Change[] } {
  if (typeof done !== 'object' || done === null || !('changes' in done)) return { result: done, changes: [] };
  const { changes, ...result } = done as Told;
  return { result, changes };
}

function tell(): void {
  const { id, result, changes } = untold!;
  const now = changes.slice(0, TOLD_AT_ONCE);
  const left = changes.slice(TOLD_AT_ONCE);
  untold = left.length > 0 ? { id, result, changes: left } : undefined;
  port.postMessage((untold ? { changes: now } : { id, result, changes: now }) satisfies WriterReply);
}

function perform(request: WriterRequest): unknown {
  switch (request.op) {
    case 'page': {
      const { items, bad } = parseIndexPage(unpacked(request.body));
      const done = writer.ingest(items, request.serverTime, request.knownSince, request.meta);
      if (request.knownSince !== undefined) writer.polled(request.serverTime);
      return pageResult(done, items, bad);
    }
    case 'read':
      return readIndexPage(parseIndexPage(unpacked(request.body)));
    case 'sweep':
      return sweep.page(request);
    case 'settle':
      return writer.settle(request);
    case 'subtree-listed':
      return writer.subtreeListed(request.folder);
    case 'items':
      return pageResult(
        writer.ingest(request.items, request.serverTime, request.knownSince, request.meta),
        request.items,
        [],
      );
    case 'listing': {
      const listing = parseListing(unpacked(request.body));
      const done = writer.ingestListing({ ...listing, serverTime: request.serverTime }, request.knownSince);
      return pageResult(done, [], listing.bad);
    }
    case 'confirm': {
      const { item, serverTime, inode, own } = request;
      return pageResult(writer.confirm(item, serverTime, inode, own), [item], []);
    }
    case 'own':
      return pageResult(writer.ingestOwn(request.item, request.serverTime), [request.item], []);
    case 'confirm-deletion':
      return pageResult(writer.confirmDeletion(request.id, request.serverTime), [], []);
    case 'renew':
      return pageResult(writer.renew(request.inode), [], []);
    case 'longest-below':
      return positions.longestBelow(request.folders, request.without);
    case 'numbers':
      return writer.numbers;
    case 'bind':
      return pageResult(writer.bind(request.bindings, request.freed, request.above), [], []);
    case 'ignore-case':
      return pageResult(writer.ignoreCase(), [], []);
    case 'finish-crawl':
      writer.finishCrawl(request.meta, request.unlisted);
      writer.crawling = false;
      return undefined;
    case 'meta':
      return writer.setMeta(request.meta);
    case 'set-back':
      setBack(db, request.now, request.from);
      // The writer also keeps times in memory.
      writer = newWriter();
      sweep = new SweepPages(writer);
      return undefined;
    case 'sync':
      // One commit with `synchronous = FULL` makes all earlier commits durable too.
      db.pragma('synchronous = FULL');
      try {
        return writer.setMeta({ synced: systemClock.now() });
      } finally {
        db.pragma('synchronous = NORMAL');
      }
    case 'rank':
      return positions.rank(request.id as RemoteId);
    case 'count-until':
      return positions.countUntil(request.time);
    case 'close':
      db.close();
      return undefined;
  }
}
