import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { Feed } from '#src/server/events/feed.js';

const INTERVAL = 50;

t.test('people who come and go have a topic looked at no more often', async (t) => {
  const ending = new AbortController();
  t.teardown(() => ending.abort());
  const looks: number[] = [];
  const look = (): number => looks.push(performance.now());
  const feed = new Feed({ topic: { interval: INTERVAL, look } }, silentLog, ending.signal);
  for (let n = 0; n < 10; n++) feed.watch('topic', () => undefined)();
  const began = performance.now();
  let told = 0;
  const leave = feed.watch('topic', () => told++);
  do await sleep(10 * INTERVAL);
  while (told < 2);
  leave();
  const intervals = (performance.now() - began) / INTERVAL;
  t.ok(looks.length <= intervals + 2, `${looks.length} looks in ${intervals} intervals`);
  await sleep(2 * INTERVAL);
  const before = looks.length;
  await sleep(2 * INTERVAL);
  t.equal(looks.length, before, 'nobody looks for nobody');
  feed.watch('topic', () => undefined);
  t.equal(looks.length, before + 1);
});
