import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { Bucket, Shares } from '#src/server/access/share.js';

t.test('each user has a share of the calls at Procore, which comes back evenly', async (t) => {
  let now = 0;
  const shares = new Shares({ ...systemClock, monotonic: () => now });
  const bob = { name: 'bob', role: 'read' } as const;
  for (let n = 0; n < 60; n++) shares.spend(bob, 1);
  t.throws(() => shares.spend(bob, 1), { code: 'too-many-requests', httpStatus: 429, details: { seconds: 10 } });
  shares.spend({ name: 'eve', role: 'read' }, 60);
  shares.spend({ name: 'ann', role: 'manage' }, 600);
  t.throws(() => shares.spend({ name: 'ann', role: 'manage' }, 1), {
    code: 'too-many-requests',
    details: { seconds: 1 },
  });
  for (let n = 0; n < 10; n++) shares.spend({ name: 'owner', role: 'manage', isOwner: true }, 600);
  now += 10_000;
  shares.spend(bob, 1);
  t.throws(() => shares.spend(bob, 1), { code: 'too-many-requests' });
  t.throws(() => shares.spend(bob, 30), { code: 'too-many-requests', details: { seconds: 300 } });
  now += 24 * 3600_000;
  shares.spend(bob, 60);
  t.throws(() => shares.spend(bob, 1), { code: 'too-many-requests' }, 'no more is saved up');
});

t.test('what costs more than there ever is takes all, and a clock that goes back gives nothing', async (t) => {
  const bucket = new Bucket(10, 1, 0);
  t.equal(bucket.take(1, 0), 0);
  t.equal(bucket.take(1000, 0), 1);
  t.equal(bucket.take(1000, 1000), 0);
  t.equal(bucket.take(1, 0), 1);
  t.equal(bucket.take(0, 0), 0);
});
