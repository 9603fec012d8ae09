import { parentPort, workerData } from 'node:worker_threads';
import type { RemoteId } from '../base/ids.js';
import { openDatabase } from '../database/open.js';
import { parseIndexPage } from '../procore/rows.js';
import { mirrorOptions } from './files.js';
import { pageResult } from './page-result.js';
import type { Envelope, Request } from './protocol.js';
import { Ranks } from './ranks.js';
import { FOLDED } from './shown-names.js';
import { SweepPages } from './sweep-pages.js';
import { Writer } from './writer.js';

/** Entry of the writer's thread; see `WriterThread`. */
const { path } = workerData as { path: string };
const db = openDatabase(path, mirrorOptions);
const writer = new Writer(db);
const ranks = new Ranks(db);
writer.crawling = ranks.meta('crawl.done') !== 1;
writer.ignoresCase = ranks.meta(FOLDED) !== undefined;
const sweep = new SweepPages(writer);

const port = parentPort!;
port.on('message', ({ id, request }: Envelope) => {
  try {
    port.postMessage({ id, result: perform(request) });
  } catch (error) {
    // Of an error's class nothing is left on the other side.
    const { message, code } = error as Error & { code?: unknown };
    port.postMessage({ id, error: { message, code } });
  }
  if (request.op === 'close') port.close();
});

function perform(request: Request): unknown {
  switch (request.op) {
    case 'page': {
      const { items, bad } = parseIndexPage(request.body);
      const done = writer.ingest(items, request.serverTime, request.knownSince, request.meta);
      if (request.knownSince !== undefined) writer.polled(request.serverTime);
      return pageResult(done, items, bad);
    }
    case 'sweep':
      return sweep.page(request);
    case 'settle':
      return pageResult(writer.settle(request.doubtful, request.serverTime), [], []);
    case 'subtree-listed':
      return writer.subtreeListed(request.folder);
    case 'items':
      return pageResult(
        writer.ingest(request.items, request.serverTime, request.knownSince, request.meta),
        request.items,
        [],
      );
    case 'listing':
      return pageResult(
        writer.ingestListing(request.listing, request.knownSince),
        request.listing.children,
        request.listing.bad,
      );
    case 'confirm': {
      const { item, serverTime, inode, content } = request;
      return pageResult(writer.confirm(item, serverTime, inode, content), [item], []);
    }
    case 'own':
      return pageResult(writer.ingestOwn(request.item, request.serverTime), [request.item], []);
    case 'confirm-deletion':
      return pageResult(writer.confirmDeletion(request.id, request.serverTime), [], []);
    case 'longest-below':
      return ranks.longestBelow(request.folders, request.without);
    case 'ignore-case':
      return pageResult(writer.ignoreCase(), [], []);
    case 'finish-crawl':
      writer.finishCrawl(request.meta);
      writer.crawling = false;
      return undefined;
    case 'meta':
      return writer.setMeta(request.meta);
    case 'sync':
      // One commit with a sync takes everything before it along.
      db.pragma('synchronous = FULL');
      try {
        return writer.setMeta({ synced: Date.now() });
      } finally {
        db.pragma('synchronous = NORMAL');
      }
    case 'rank':
      return ranks.rank(request.id as RemoteId);
    case 'count-until':
      return ranks.countUntil(request.time);
    case 'close':
      db.close();
      return undefined;
  }
}
