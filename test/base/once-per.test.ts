import t from 'tap';
import { OncePer } from '#src/base/once-per.js';
import { HeldTime } from '../support/interleave/held-time.js';

t.test('each key is done once per interval', async (t) => {
  const time = new HeldTime(0);
  const limit = new OncePer(time, 1000);
  const done: string[] = [];
  const run = (key: string): void => limit.run(key, () => done.push(key));
  for (const key of ['a', 'a', 'b', 'a']) run(key);
  t.strictSame(done.splice(0), ['a', 'b']);
  time.pass(999);
  run('a');
  t.strictSame(done, []);
  time.pass(1);
  for (const key of ['a', 'a', 'b']) run(key);
  t.strictSame(done.splice(0), ['a', 'b']);
});

t.test('a line of the log comes again after ten minutes', async (t) => {
  const time = new HeldTime(0);
  const limit = new OncePer(time);
  let lines = 0;
  for (let second = 0; second <= 1200; second++) {
    limit.run('line', () => lines++);
    time.pass(1000);
  }
  t.equal(lines, 3);
});
