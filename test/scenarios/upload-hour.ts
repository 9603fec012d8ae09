import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_INODE } from '#src/base/ids.js';
import { Files, openProject } from '../support/project.js';
import type { Scenario } from './scenarios.js';

export interface UploadHour {
  /** Seconds that the server takes for an hour. */
  readonly hour: number;
  /** Calls that it permits in one. */
  readonly hourly: number;
  /** Whole windows that are looked at. */
  readonly windows: number;
  /** Milliseconds that each reply takes. */
  readonly latency: number;
}

/** More than all windows can send, at two calls a file. */
const SPARE = 1.3;
/** Of so many calls of an hour one is a person's, who opens a folder that the mirror has to ask for: 40 of 3,600. */
const PERSONS = 90;
/** Milliseconds between two looks at a folder that is known. */
const LOOK = 200;

/**
 * The outbox brings up new files for several windows of the rate limit, as fast as the server permits, while a person
 * lists what is known all the time and opens new folders now and then: of each whole window nearly all calls are used,
 * none is refused, nobody waits.
 */
export async function uploadHour(t: Scenario, { hour, hourly, windows, latency }: UploadHour): Promise<void> {
  const project = await openProject(t, { hour, hourly, spike: 25, latency }, {}, { hour: hour * 1000, spike: 10_000 });
  const { simulator, fileSystem } = project;
  const { mirror, outbox } = project.project;
  while (!mirror.view.crawlDone) await sleep(50);
  const files = new Files(fileSystem);
  const count = Math.ceil((hourly * (windows + 1) * SPARE) / 2);
  for (let n = 0; n < count; n++) await files.write(`file ${n}.txt`, `content ${n}`, 'replace');
  const lists: number[] = [];
  const opens: number[] = [];
  let next = performance.now();
  const end = performance.now() + (windows + 1.2) * hour * 1000;
  while (performance.now() < end) {
    const start = performance.now();
    await files.entry('file 0.txt');
    lists.push(performance.now() - start);
    if (performance.now() >= next) {
      next += (hour * 1000) / Math.max(2, hourly / PERSONS);
      const asked = performance.now();
      await mirror.refresh(outbox.tree.item(ROOT_INODE)!, 'interactive');
      opens.push(performance.now() - asked);
    }
    await sleep(LOOK);
  }
  const at = (waits: readonly number[], share: number): number =>
    Math.round(waits.toSorted((a, b) => a - b)[Math.floor((waits.length - 1) * share)]!);
  const calls = await simulator.admin.calls();
  // The first one began before the uploads, the last one is not over.
  const whole = calls.windows.slice(1, -1).slice(0, windows);
  const shares = whole.map(({ used, limit }) => used / limit);
  t.comment(
    `${count - outbox.intents.size} of ${count} files; used ${shares.map((share) => `${(share * 100).toFixed(1)} %`).join(', ')}; ` +
      `what is known lists in p99 ${at(lists, 0.99)} ms, a new folder in p50 ${at(opens, 0.5)} ms, p95 ${at(opens, 0.95)} ms; ` +
      `${calls.status429} × 429`,
  );
  t.equal(whole.length, windows, 'whole windows');
  for (const share of shares) t.ok(share >= 0.97, `${(share * 100).toFixed(1)} % of a window were used`);
  t.equal(calls.status429, 0, 'replies 429');
  t.ok(at(lists, 0.99) <= 1000, `p99 ${at(lists, 0.99)} ms for what is known`);
  t.ok(outbox.intents.size > 0, 'there was more to send than could be sent');
}
