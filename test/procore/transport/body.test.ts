import fc from 'fast-check';
import t from 'tap';
import { Body, memoryOf, parcel, unpacked } from '#src/procore/transport/body.js';
import { looksLikeJson } from '#src/procore/transport/retry.js';

function bodyOf(parts: Iterable<Buffer>): Body {
  const body = new Body();
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
