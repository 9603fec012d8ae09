import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { BandwidthLimiter } from '#src/base/bandwidth.js';
import { parseBandwidth } from '#src/base/bandwidth-option.js';
import { transferSchema } from '#src/jobs/definition/transfer-schema.js';
import { VirtualTime } from '../support/net-virtual-time.js';

const side = { connection: { id: '1' } };
const bandwidth = (given: object) =>
  transferSchema.parse({ source: side, destination: side, performance: { download: given } }).performance.download!;
const at = (iso: string): number => Date.parse(iso);
const none = new AbortController().signal;
const KIB = 1024;
const HOUR = 3_600_000;

/** A limiter on a clock of its own, and how many bytes a reader has got. */
function setUp(given: object, start = '2026-06-05T12:00:00Z', zone = 'UTC') {
  const time = new VirtualTime(at(start));
  return { time, limiter: new BandwidthLimiter(bandwidth(given), time.clock(), zone) };
}

function reading(stream: Readable) {
  const seen = { bytes: 0, ended: false, error: undefined as Error | undefined };
  stream.on('data', (chunk: Buffer) => (seen.bytes += chunk.length));
  stream.on('end', () => (seen.ended = true));
  stream.on('error', (error) => (seen.error = error));
  return seen;
}

/** Streams need turns of the loop between the moments of the clock. */
async function pass(time: VirtualTime, ms: number, step = 50): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    await time.pass(Math.min(step, left));
    for (let n = 0; n < 4; n++) await turn();
  }
}

const bytesOf = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, index) => index % 251));
const source = (content: Buffer, chunk = 64 * KIB): Readable =>
  Readable.from(
    (function* () {
      for (let start = 0; start < content.length; start += chunk) yield content.subarray(start, start + chunk);
    })(),
    { objectMode: false },
  );

t.test('a stream has the rate that was set, and its bytes', async (t) => {
  const { time, limiter } = setUp({ bytes_per_second: 10 * KIB });
  const content = bytesOf(100 * KIB);
  const got: Buffer[] = [];
  const limited = limiter.limit(source(content), none);
  const seen = reading(limited);
  limited.on('data', (chunk: Buffer) => got.push(chunk));
  for (let second = 1; second <= 8; second++) {
    await pass(time, 1000);
    const due = second * 10 * KIB;
    t.ok(seen.bytes >= due * 0.9 && seen.bytes <= due + 2 * KIB, `${seen.bytes} of ${due} after ${second} s`);
  }
  t.notOk(seen.ended);
  await pass(time, 3000);
  t.ok(seen.ended);
  t.ok(Buffer.concat(got).equals(content));
});

t.test('0, and nothing said, are no limit', async (t) => {
  for (const given of [{}, { bytes_per_second: 0 }, { window: [{ time: { hr: 0 }, bytes_per_second: 0 }] }]) {
    const { limiter } = setUp(given);
    const seen = reading(limiter.limit(source(bytesOf(1024 * KIB)), none));
    for (let n = 0; n < 500 && !seen.ended; n++) await turn();
    t.equal(seen.bytes, 1024 * KIB, 'no moment of the clock passed');
  }
});

t.test('streams share the rate', async (t) => {
  const { time, limiter } = setUp({ bytes_per_second: 40 * KIB });
  const all = [1, 2, 3, 4].map(() => reading(limiter.limit(source(bytesOf(400 * KIB)), none)));
  await pass(time, 10_000);
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  t.ok(total >= 380 * KIB && total <= 420 * KIB, `${total} in all`);
  for (const { bytes } of all) t.ok(bytes >= 80 * KIB, `${bytes} for one of four`);
});

const OFFICE = {
  window: [
    { time: { hr: 18 }, bytes_per_second: 0 },
    { time: { hr: 8 }, bytes_per_second: 1000 },
    { time: { hr: 12, min: 30 }, bytes_per_second: 5000 },
  ],
};

t.test('a rate holds from its time until the next, the last one over midnight', async (t) => {
  const { limiter } = setUp(OFFICE, '2026-06-05T12:00:00Z', 'Europe/Berlin');
  const rates = ['05:59:59', '06:00:00', '10:29:59', '10:30:00', '15:59:59', '16:00:00', '23:00:00'];
  t.strictSame(
    rates.map((time) => limiter.rateAt(at(`2026-06-05T${time}Z`))),
    [0, 1000, 1000, 5000, 5000, 0, 0],
  );
  t.equal(limiter.rateAt(at('2026-12-05T06:59:59Z')), 0, 'in winter an hour later');
  t.equal(limiter.rateAt(at('2026-12-05T07:00:00Z')), 1000);
});

t.test('the rate beside windows holds from midnight until the first one', async (t) => {
  const { limiter } = setUp({ ...OFFICE, bytes_per_second: 77 }, '2026-06-05T12:00:00Z', 'Europe/Berlin');
  const rates = ['05:59:59', '06:00:00', '21:59:59', '22:00:00'];
  t.strictSame(
    rates.map((time) => limiter.rateAt(at(`2026-06-05T${time}Z`))),
    [77, 1000, 0, 77],
  );
});

t.test('one window alone holds all day', async (t) => {
  const { limiter } = setUp({ window: [{ time: { hr: 8 }, bytes_per_second: 9 }] });
  t.strictSame(
    ['00:00', '07:59', '08:00', '23:59'].map((time) => limiter.rateAt(at(`2026-06-05T${time}:00Z`))),
    [9, 9, 9, 9],
  );
});

t.test('a stream in the middle of a pause takes the new rate when its time comes', async (t) => {
  const { time, limiter } = setUp(
    {
      window: [
        { time: { hr: 8 }, bytes_per_second: 1 },
        { time: { hr: 18 }, bytes_per_second: 0 },
      ],
    },
    '2026-06-05T17:59:00Z',
  );
  const seen = reading(limiter.limit(source(bytesOf(300 * KIB)), none));
  await pass(time, 59_000, 1000);
  t.equal(seen.bytes, KIB, 'a piece, to be paid for in 17 minutes');
  await pass(time, 2000);
  t.ok(seen.ended, 'no limit from 18:00 on');
});

t.test('a pause without readers is no credit', async (t) => {
  const { time, limiter } = setUp({ bytes_per_second: 10 * KIB });
  await time.pass(HOUR);
  const seen = reading(limiter.limit(source(bytesOf(100 * KIB)), none));
  await pass(time, 1000);
  t.ok(seen.bytes <= 12 * KIB, `${seen.bytes} in the first second`);
});

t.test('a clock that is set back does not stop the stream', async (t) => {
  const { time, limiter } = setUp({ bytes_per_second: 10 * KIB });
  await limiter.take(10 * KIB, none);
  time.now -= 10 * HOUR;
  let taken = false;
  const later = limiter.take(1, none).then(() => (taken = true));
  await time.pass(1000);
  await turn();
  t.ok(taken);
  await later;
});

t.test('who gives up leaves the queue, and those behind go on', async (t) => {
  const { time, limiter } = setUp({ bytes_per_second: 1000 });
  await limiter.take(60_000, none);
  const first = new AbortController();
  const given = limiter.take(60_000, first.signal);
  const behind = limiter.take(1000, none);
  first.abort(new Error('enough'));
  await t.rejects(given, { message: 'enough' });
  await time.pass(60_000);
  await behind;
  t.equal(time.now, at('2026-06-05T12:01:00Z'), 'the bytes of the one that gave up were never counted');
});

t.test('the signal ends a stream that waits, with its reason, and the source with it', async (t) => {
  for (const early of [true, false]) {
    const { limiter } = setUp({ bytes_per_second: 1000 });
    const stop = new AbortController();
    if (early) stop.abort(new Error('stopped'));
    const from = source(bytesOf(100 * KIB));
    const seen = reading(limiter.limit(from, stop.signal));
    for (let n = 0; n < 10; n++) await turn();
    stop.abort(new Error('stopped'));
    for (let n = 0; n < 10; n++) await turn();
    t.equal(seen.error?.message, 'stopped');
    t.ok(from.destroyed);
  }
});

t.test('a source that fails, fails the stream; a reader that goes destroys the source', async (t) => {
  const { limiter } = setUp({ bytes_per_second: 1000 });
  const failing = new Readable({ read: () => undefined });
  const seen = reading(limiter.limit(failing, none));
  failing.destroy(new Error('connection lost'));
  for (let n = 0; n < 10; n++) await turn();
  t.equal(seen.error?.message, 'connection lost');

  const from = source(bytesOf(100 * KIB));
  const limited = limiter.limit(from, none);
  reading(limited);
  for (let n = 0; n < 10; n++) await turn();
  limited.destroy();
  for (let n = 0; n < 10; n++) await turn();
  t.ok(from.destroyed);
});

t.test('who waits goes before who does not, in any order of asking', async (t) => {
  const { time, limiter } = setUp({ bytes_per_second: 10 * KIB });
  const order: string[] = [];
  const take = (name: string, isUrgent: boolean, signal = none) =>
    limiter.take(10 * KIB, signal, isUrgent).then(
      () => order.push(name),
      () => order.push(`${name} left`),
    );
  const leaver = new AbortController();
  await take('first', false);
  const all = [
    take('upkeep', false),
    take('leaver', true, leaver.signal),
    take('reader', true),
    take('more upkeep', false),
  ];
  await pass(time, 500);
  leaver.abort();
  await pass(time, 600);
  t.strictSame(order, ['first', 'leaver left', 'reader']);
  await pass(time, 2000);
  await Promise.all(all);
  t.strictSame(order, ['first', 'leaver left', 'reader', 'upkeep', 'more upkeep']);
});

t.test('the option of a mount: rates by time of day, for both directions or each', (t) => {
  const limit = (text: string, direction: 'upload' | 'download', clock: string): number =>
    new BandwidthLimiter(parseBandwidth(text)[direction], new VirtualTime(at(clock)).clock(), 'UTC').rateAt(at(clock));
  t.equal(limit('2M', 'upload', '2026-06-05T12:00:00Z'), 2 * KIB * KIB);
  t.equal(limit('500K:off', 'upload', '2026-06-05T12:00:00Z'), 500 * KIB);
  t.equal(limit('500K:off', 'download', '2026-06-05T12:00:00Z'), 0);
  const day = '1M@07:00/256K:2M@12:30/off@18:30';
  t.equal(limit(day, 'download', '2026-06-05T07:00:00Z'), KIB * KIB);
  t.equal(limit(day, 'download', '2026-06-05T13:00:00Z'), 2 * KIB * KIB);
  t.equal(limit(day, 'upload', '2026-06-05T13:00:00Z'), 256 * KIB);
  t.equal(limit(day, 'upload', '2026-06-05T06:59:00Z'), 0, 'the last rate of the day holds over midnight');
  t.equal(limit('64K/off@18:30', 'upload', '2026-06-05T06:59:00Z'), 64 * KIB);
  for (const bad of ['', 'fast', '2M@25:00', '2M@', '0', '1M/2M', '1:2:3', '2M/', '@07:00'])
    t.throws(() => parseBandwidth(bad), { code: 'usage' }, `"${bad}"`);
  t.end();
});
