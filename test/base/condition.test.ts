import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Condition } from '#src/base/condition.js';
import { HeldTime } from '../support/interleave/held-time.js';

const none = new AbortController().signal;

/** Whether a promise has settled, which is seen after a turn. */
function watched(promise: Promise<unknown>) {
  const state = { is: 'waiting' as 'waiting' | 'resolved' | 'rejected' };
  promise.then(
    () => (state.is = 'resolved'),
    () => (state.is = 'rejected'),
  );
  return state;
}

t.test('callers wait until the state is reached, all of them', async (t) => {
  const condition = new Condition();
  let level = 0;
  const waiting = [1, 2].map((wanted) => watched(condition.until(() => level >= wanted, none)));
  await condition.until(() => level === 0, none);
  condition.changed();
  await turn();
  t.strictSame(waiting, [{ is: 'waiting' }, { is: 'waiting' }], 'a change that does not reach it');
  level = 1;
  await turn();
  t.equal(waiting[0]!.is, 'waiting', 'it looks when it is told');
  condition.changed();
  await turn();
  t.strictSame(waiting, [{ is: 'resolved' }, { is: 'waiting' }]);
  level = 2;
  condition.changed();
  await turn();
  t.equal(waiting[1]!.is, 'resolved');
});

t.test('a wait ends with the signal, or with what the check throws, and leaves nothing behind', async (t) => {
  const condition = new Condition();
  const stop = new AbortController();
  const waiting = condition.until(() => false, stop.signal);
  t.equal(getEventListeners(stop.signal, 'abort').length, 1);
  stop.abort(new Error('enough'));
  await t.rejects(waiting, { message: 'enough' });
  t.equal(getEventListeners(stop.signal, 'abort').length, 0);
  await t.rejects(
    condition.until(() => true, stop.signal),
    { message: 'enough' },
    'aborted before',
  );
  await condition.next(stop.signal);

  let isBroken = false;
  const check = (): boolean => {
    if (isBroken) throw new Error('broken');
    return false;
  };
  const other = new AbortController();
  const broken = condition.until(check, other.signal);
  isBroken = true;
  condition.changed();
  await t.rejects(broken, { message: 'broken' });
  t.equal(getEventListeners(other.signal, 'abort').length, 0);
});

t.test('a wait with a limit ends at the change, at the limit or with the signal', async (t) => {
  const time = new HeldTime(0);
  const condition = new Condition();
  const wait = (signal?: AbortSignal) => watched(condition.nextWithin(1000, time, signal));
  let state = wait();
  condition.changed();
  await turn();
  t.equal(state.is, 'resolved');
  t.equal(time.next, Number.POSITIVE_INFINITY, 'its timer is gone');
  state = wait();
  time.pass(999);
  await turn();
  t.equal(state.is, 'waiting');
  time.pass(1);
  await turn();
  t.equal(state.is, 'resolved');
  const stop = new AbortController();
  state = wait(stop.signal);
  stop.abort();
  await turn();
  t.equal(state.is, 'resolved');
  await condition.nextWithin(1000, time, stop.signal);
  await t.rejects(condition.nextWithin(1, { ...time, sleep: () => Promise.reject(new Error('no clock')) } as never), {
    message: 'no clock',
  });
});
