import t from 'tap';
import { Pauses, pauseAfter } from '#src/base/backoff.js';

t.test('a pause doubles with each failure, up to the longest', async (t) => {
  const backoff = { first: 100, longest: 1000 };
  t.strictSame(
    [1, 2, 3, 4, 5, 6, 10_000].map((failures) => pauseAfter(failures, backoff)),
    [100, 200, 400, 800, 1000, 1000, 1000],
  );
  t.equal(pauseAfter(20, { first: 100 }), 100 * 2 ** 19, 'without a longest one there is no limit');
  t.equal(pauseAfter(3, { first: 2, factor: 1.5, longest: 100 }), 4.5);
  t.equal(pauseAfter(1, { first: 100, longest: 50 }), 50);
});

t.test('jitter makes it shorter or longer by at most its share', async (t) => {
  const found = Array.from({ length: 1000 }, () => pauseAfter(2, { first: 100, jitter: 0.25 }));
  t.ok(Math.min(...found) >= 150 && Math.max(...found) <= 250);
  t.ok(Math.min(...found) < 175 && Math.max(...found) > 225, 'and uses all of it');
});

t.test('a series goes on from its last pause, whatever the limit was, and begins anew', async (t) => {
  const pauses = new Pauses({ first: 1000, longest: 60_000 });
  t.strictSame([pauses.next(), pauses.next(), pauses.next()], [1000, 2000, 4000]);
  t.strictSame([pauses.next(4000), pauses.next(4000)], [4000, 4000], 'another limit');
  t.strictSame([pauses.next(15_000), pauses.next(15_000)], [8000, 15_000]);
  t.strictSame([pauses.next(), pauses.next(), pauses.next()], [30_000, 60_000, 60_000]);
  pauses.reset();
  t.equal(pauses.next(), 1000);
});
