import { gzipSync } from 'node:zlib';
import t from 'tap';
import { Body, type ContentCoding, LARGEST_REPLY, memoryOf, parcel, unpacked } from '#src/procore/transport/body.js';
import { looksLikeJson } from '#src/procore/transport/retry.js';
import fc from '../../support/properties.js';

function bodyOf(parts: Iterable<Buffer>, encoding?: ContentCoding): Body {
  const body = new Body(encoding);
  for (const part of parts) body.add(part);
  return body;
}

const part = fc.oneof(fc.uint8Array({ maxLength: 20, size: 'max' }), fc.uint8Array({ maxLength: 70_000, size: 'max' }));

t.test('a reply is what arrived, whatever its parts, and goes to another thread without its neighbours', async (t) => {
  const property = fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
    const body = bodyOf(parts.map((bytes) => Buffer.from(bytes)));
    // As it passes from one interceptor to the next.
    const again = bodyOf(body.parts);
    const whole = Buffer.concat(parts);
    t.equal(again.size, whole.length);
    t.ok(again.bytes.equals(whole) && body.bytes.equals(whole), 'as it arrived');
    const sent = parcel(again);
    const arrived = structuredClone(sent, { transfer: memoryOf(sent) });
    t.ok(
      sent.parts.every(({ byteLength }) => byteLength === 0),
      'gone here',
    );
    t.ok(whole.equals(unpacked(arrived)), 'there');
  });
  fc.assert(property, { numRuns: 50 });
});

t.test('a compressed reply is what was meant, here and in another thread, whatever its parts', async (t) => {
  const property = fc.asyncProperty(
    fc.array(part, { maxLength: 8 }),
    fc.integer({ min: 1, max: 9000 }),
    async (parts, cut) => {
      const whole = Buffer.concat(parts);
      const sent = gzipSync(whole);
      const arrived: Buffer[] = [];
      for (let at = 0; at < sent.length; at += cut) arrived.push(Buffer.from(sent.subarray(at, at + cut)));
      const body = bodyOf(bodyOf(arrived, 'gzip').parts, 'gzip');
      t.equal(body.size, sent.length, 'its size is that of the wire');
      t.ok(whole.equals(await body.read()) && whole.equals(body.bytes), 'what was meant');
      t.ok(whole.equals(bodyOf(arrived, 'gzip').bytes), 'at once, too');
      const onItsWay = parcel(bodyOf(arrived, 'gzip'));
      t.ok(whole.equals(unpacked(structuredClone(onItsWay, { transfer: memoryOf(onItsWay) }))), 'there');
      t.ok(whole.subarray(0, 20).equals(bodyOf([sent], 'gzip').head.subarray(0, 20)), 'its beginning');
    },
  );
  await fc.assert(property, { numRuns: 40 });
});

t.test('a compressed reply that was damaged, cut off or grows beyond all pages is no reply', async (t) => {
  const sent = gzipSync(JSON.stringify(Array.from({ length: 2000 }, (_, n) => ({ n, name: `Drawing ${n}` }))));
  const flipped = Buffer.from(sent);
  flipped[Math.floor(sent.length / 2)]! ^= 0xff;
  const wrongSum = Buffer.from(sent);
  wrongSum[sent.length - 6]! ^= 1;
  const bomb = gzipSync(Buffer.alloc(LARGEST_REPLY + 1));
  const liar = Buffer.concat([sent.subarray(0, -4), Buffer.from([0xff, 0xff, 0xff, 0xff])]);
  const cases = { flipped, wrongSum, 'cut off': sent.subarray(0, -9), bomb, liar, plain: Buffer.from('[]') };
  for (const [what, bytes] of Object.entries(cases)) {
    t.throws(() => bodyOf([bytes], 'gzip').bytes, { code: 'bad-reply' }, what);
    t.throws(() => unpacked(parcel(bodyOf([Buffer.from(bytes)], 'gzip'))), { code: 'bad-reply' }, what);
    await t.rejects(bodyOf([bytes], 'gzip').read(), what === 'bomb' ? { name: 'RangeError' } : { code: /^Z_/ }, what);
  }
  t.equal(bodyOf([], 'gzip').bytes.length, 0, 'nothing at all is what an answer without content is');
});

t.test('whether a compressed reply is JSON is seen at its beginning', async (t) => {
  const looks = (text: string): boolean => looksLikeJson(bodyOf([gzipSync(text)], 'gzip'));
  t.ok(looks('[]') && looks(` \n{"a":"${'x'.repeat(100_000)}"}`));
  t.notOk(
    looks('') ||
      looks('<html>') ||
      looksLikeJson(bodyOf([Buffer.from('[]')], 'gzip')) ||
      looksLikeJson(bodyOf([], 'gzip')),
  );
});

t.test('a large reply is copied once at most, a part at a time', async (t) => {
  const body = bodyOf(Array.from({ length: 50 }, (_, n) => Buffer.alloc(60_000, n)));
  const again = bodyOf(body.parts);
  const blocks = (one: Body): ArrayBufferLike[] => one.parts.map(({ buffer }) => buffer);
  t.equal(blocks(body).length, 3);
  t.strictSame(
    blocks(again)
      .slice(0, 2)
      .map((buffer, n) => buffer === blocks(body)[n]),
    [true, true],
  );
});

t.test('a small reply leaves the memory of the socket, which has others in it, where it is', async (t) => {
  const read = Buffer.alloc(64 * 1024, 'x');
  const sent = parcel(bodyOf([read.subarray(10, 20)]));
  structuredClone(sent, { transfer: memoryOf(sent) });
  t.equal(read.length, 64 * 1024);
});

t.test('whether a reply looks whole is seen at its ends, wherever its parts end', async (t) => {
  const looks = (...parts: string[]): boolean => looksLikeJson(bodyOf(parts.map((text) => Buffer.from(text))));
  t.ok(looks('[]') && looks(' ', '\n{', '"a":1', '}', ' \r\n'));
  t.notOk(looks() || looks('') || looks(' ') || looks('{"a":', '1') || looks('[1', ',2}') || looks('<html>'));
});
