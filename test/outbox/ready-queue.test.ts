import t from 'tap';
import { asInode } from '#src/base/ids.js';
import { ReadyQueue } from '#src/outbox/scheduler/ready-queue.js';
import fc from '../support/properties.js';

const step = fc.oneof(
  fc.record({
    op: fc.constant('set' as const),
    inode: fc.integer({ min: 1, max: 12 }),
    since: fc.nat(5),
    at: fc.option(fc.nat(40), { nil: undefined }),
  }),
  fc.record({ op: fc.constant('take' as const), now: fc.nat(40) }),
);

t.test('of those whose time has come the oldest goes first, whatever was replaced or taken out before', async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new ReadyQueue();
      const model = new Map<number, { since: number; at: number }>();
      let now = 0;
      for (const one of steps) {
        if (one.op === 'set') {
          queue.set(asInode(one.inode), one.since, one.at);
          if (one.at === undefined) model.delete(one.inode);
          else model.set(one.inode, { since: one.since, at: one.at });
          continue;
        }
        // Time goes on only.
        now = Math.max(now, one.now);
        const [first] = [...model]
          .filter(([, { at }]) => at <= now)
          .sort(([a, x], [b, y]) => x.since - y.since || a - b);
        if (queue.take(now) !== first?.[0]) return false;
        if (first) model.delete(first[0]);
        const waiting = [...model.values()].map(({ at }) => at).filter((at) => at > now);
        if (queue.nextAt !== Math.min(...waiting)) return false;
      }
      return true;
    }),
  );
  t.pass();
});

t.test('who waits for another one is named once, when something happens to that', async (t) => {
  const queue = new ReadyQueue();
  queue.waitFor(asInode(1), asInode(2));
  queue.waitFor(asInode(1), asInode(3));
  queue.waitFor(undefined, asInode(4));
  t.strictSame([...queue.freedBy(asInode(1))], [2, 3]);
  t.strictSame([...queue.freedBy(asInode(1))], []);
});
