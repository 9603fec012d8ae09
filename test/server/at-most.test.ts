import t from 'tap';
import { AtMost } from '#src/server/http/at-most.js';

t.test('so much goes on at once, and what ends makes room, also when it fails', async (t) => {
  const two = new AtMost(2, 'things are done');
  const ends: (() => void)[] = [];
  const work = (): Promise<void> => two.run(() => new Promise((resolve) => ends.push(resolve)));
  const [first, second] = [work(), work()];
  await t.rejects(work(), { code: 'too-many-requests', message: /too many things are done at once/ });
  ends[0]!();
  await first;
  await t.rejects(
    two.run(() => Promise.reject(new Error('failed'))),
    /failed/,
  );
  const third = work();
  for (const end of ends) end();
  await Promise.all([second, third]);
});
