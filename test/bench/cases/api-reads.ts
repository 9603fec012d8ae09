import { mkdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { Connections } from '#src/connections/store.js';
import { parseJobBody } from '#src/jobs/definition/job-schema.js';
import type { ItemStatus } from '#src/jobs/definition/words.js';
import type { NewRunItem } from '#src/jobs/store/items.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { Installation } from '../../support/mounted.js';
import { RunningService } from '../../support/service.js';
import { atMost, type Case, type Row, reported } from '../case.js';
import { memory, quantile } from '../measure.js';

const ITEMS = 100_000;
const PER_FOLDER = 40;
const READS = 200;
/** Other jobs, and runs that each of them has had. */
const JOBS = 100;
const RUNS = 200;
/** Milliseconds that 99 of 100 reads may take. */
const GOAL = 20;
/** Items that are written down together, as a plan and a run do. */
const BATCH = 256;

/** Reads of the HTTP API over its socket, one after the other, where a run has 100,000 items; and what writing them costs. */
export const apiReads: Case = {
  name: 'api-reads',
  async run(scope, say) {
    const installation = new Installation(scope);
    mkdirSync(installation.state, { recursive: true, mode: 0o700 });
    const { id, execution, added, finished } = fill(installation);
    say(`${ITEMS} items: ${added.toFixed(0)} a second planned, ${finished.toFixed(0)} a second done`);
    const service = await RunningService.start(scope, installation, []);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    scope.teardown(() => agent.destroy());
    const read = (path: string): Promise<void> =>
      new Promise((resolve, reject) => {
        request({ socketPath: service.http, path, agent }, (reply) => {
          reply.resume().once('end', () => (reply.statusCode === 200 ? resolve() : reject(new Error(path))));
        })
          .once('error', reject)
          .end();
      });
    const items = `/v1/transfers/items?job=${id}`;
    // Each read is of another place, as somebody pages, or of another word, as somebody types.
    const kinds: readonly (readonly [string, (n: number) => string])[] = [
      ['the jobs', () => '/v1/jobs'],
      ['one job', () => `/v1/jobs/${id}`],
      ['its runs', () => `/v1/jobs/history?job=${id}`],
      ['counts of a run', () => `/v1/transfers/${id}/stats`],
      ['items, any page of 20', (n) => `${items}&offset=${Math.floor((n * ITEMS) / READS)}`],
      ['items, any page of 100', (n) => `${items}&limit=100&offset=${Math.floor((n * ITEMS) / READS)}`],
      ['items by status, any page', (n) => `${items}&status=success&offset=${Math.floor((n * ITEMS * 0.9) / READS)}`],
      ['items of two states', (n) => `${items}&status=skipped,success&offset=${Math.floor((n * ITEMS * 0.9) / READS)}`],
      ['items by a word that is in many paths', (n) => `${items}&q=drawing%20${n % 10}`],
      ['items by a word that is in few', (n) => `${items}&q=a-${1000 + n * 7}`],
      ['items by a word that is in none', (n) => `${items}&q=none${n}`],
      ['items by a word of one letter', (n) => `${items}&q=${'abcdefghijklmnop'[n % 16]}`],
      ['flagged of a job, any page', (n) => `/v1/transfers/items/flagged?job=${id}&offset=${n * 20}`],
      ['flagged of all jobs', (n) => `/v1/transfers/items/flagged?offset=${n * 20}`],
      ['flagged, by a word', (n) => `/v1/transfers/items/flagged?job=${id}&q=a-${n}`],
      ['folders, any page', (n) => `/v1/transfers/folders?job=${id}&offset=${n * 10}`],
      ['one item', (n) => `/v1/transfers/items/${1 + n * 400}`],
      ['audit trail, any page', (n) => `/v1/transfers/auditing?job=${id}&execution=${execution}&offset=${n * 25}`],
    ];
    for (const [, path] of kinds) await read(path(0));
    const rows: Row[] = [];
    for (const [what, path] of kinds) {
      const times: number[] = [];
      const cpu = processorOf(service.child.pid!);
      for (let n = 0; n < READS; n++) {
        const start = performance.now();
        await read(path(n));
        times.push(performance.now() - start);
      }
      const own = ((processorOf(service.child.pid!) - cpu) / READS).toFixed(1);
      const detail = `median ${quantile(times, 0.5).toFixed(1)}, processor ${own}`;
      rows.push(atMost(`${what}, p99`, GOAL, 'ms', quantile(times, 0.99), detail));
    }
    rows.push(reported('items written down by a plan', `${added.toFixed(0)} a second`));
    rows.push(reported('items written down as done', `${finished.toFixed(0)} a second`));
    rows.push(reported('memory of the service', `${memory(service.child.pid!).now.toFixed(0)} MB`));
    return rows;
  },
};

/** Milliseconds that a process's first thread has run (Documentation/scheduler/sched-stats.rst): the same on a busy machine. */
const processorOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

const STATUSES: readonly ItemStatus[] = ['remediation', 'retry', 'skipped', 'skipped', 'skipped'];
const statusOf = (n: number): ItemStatus => (n % 20 < STATUSES.length ? STATUSES[n % 20]! : 'success');

/** A job with one run, written down as the engine does it. */
function fill({ state, folder }: Installation) {
  const target = join(folder, 'target');
  mkdirSync(target);
  const { id: connection } = new Connections(state).addTarget({ platform: 'fs', uri: target }, undefined, {});
  mkdirSync(join(state, 'jobs'), { recursive: true, mode: 0o700 });
  const store = new JobStore(join(state, 'jobs', 'jobs.db'));
  const end = (path: string) => ({ connection: { id: connection }, target: { path } });
  const { id } = store.add(
    parseJobBody({
      name: 'large',
      transfer: { transfer_type: 'copy', source: end('/a'), destination: end('/b') },
      schedule: { mode: 'manual' },
    }),
  );
  const { id: execution } = store.begin(id, 'manual', false, Date.now());
  const items = store.items(execution);
  const perSecond = (work: (n: number) => void): number => {
    const start = performance.now();
    for (let n = 0; n < ITEMS; n += BATCH)
      items.transaction(() => {
        for (let i = n; i < Math.min(ITEMS, n + BATCH); i++) work(i);
      });
    return (ITEMS / (performance.now() - start)) * 1000;
  };
  const added = perSecond((n) => items.add(itemOf(n)));
  const pending = items.pending(undefined, ITEMS);
  const finished = perSecond((n) => {
    const item = pending[n];
    if (item) items.finish(item.id, { status: statusOf(n), reason: undefined, attempts: 1, bytes: item.bytes });
  });
  store.auditItems(execution, 'info', ['skipped']);
  store.update(execution, { status: 'warn', phase: 'complete', ended: Date.now(), stats: { copied: ITEMS } });
  fillMore(store, end);
  store.close();
  return { id, execution, added, finished };
}

/** The other jobs of an installation, each with a history. */
function fillMore(
  store: JobStore,
  end: (path: string) => { connection: { id: string }; target: { path: string } },
): void {
  const one = store.items(0);
  for (let n = 0; n < JOBS; n++)
    one.transaction(() => {
      const { id } = store.add(
        parseJobBody({
          name: `job ${n}`,
          transfer: { transfer_type: 'copy', source: end(`/from ${n}`), destination: end(`/to ${n}`) },
          schedule: { mode: 'manual' },
        }),
      );
      for (let run = 0; run < RUNS; run++) {
        const execution = store.begin(id, 'schedule', false, Date.now()).id;
        if (run % 10 === 0) store.items(execution).add({ ...itemOf(n), status: 'remediation', reason: 'no room' });
        const stats = { copied: 0, unchanged: 1000, progress: 1, transferred: { files: 0, versions: 0 } };
        store.update(execution, { status: 'no_changes', phase: 'complete', ended: Date.now(), stats });
      }
    });
}

function itemOf(n: number): NewRunItem {
  const place = Math.floor(n / PER_FOLDER);
  const isFolder = n % PER_FOLDER === 0;
  const folder = `Building ${place % 25}/Level ${place % 7}/Drawings ${place}`;
  const name = isFolder ? `Set ${n}` : `A-${n} Drawing ${n % 10} rev ${n % 3}.pdf`;
  return {
    folder,
    name,
    otherFolder: folder,
    otherName: name,
    isFolder,
    action: isFolder ? 'create-folder' : 'copy',
    status: 'pending',
    bytes: isFolder ? 0 : 100_000 + n,
    count: 1,
  };
}
