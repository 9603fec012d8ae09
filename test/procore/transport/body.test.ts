import fc from 'fast-check';
import t from 'tap';
import { Body, transferable } from '#src/procore/transport/body.js';

const part = fc.uint8Array({ maxLength: 70_000, size: 'max' });

t.test('a reply is what arrived, whatever its parts, and goes to another thread without its neighbours', async (t) => {
  const property = fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
    const body = new Body();
    for (const bytes of parts) body.add(Buffer.from(bytes));
    const whole = Buffer.concat(parts);
    t.equal(body.size, whole.length);
    t.ok(body.bytes.equals(whole), 'as it arrived');
    const given = transferable(body.bytes);
    const moved = structuredClone(given, { transfer: [given.buffer] });
    t.equal(given.byteLength, 0, 'gone here');
    t.ok(whole.equals(moved), 'there');
  });
  fc.assert(property, { numRuns: 50 });
});

t.test('a small reply leaves the memory of the socket, which has others in it, where it is', async (t) => {
  const read = Buffer.alloc(64 * 1024, 'x');
  const body = new Body();
  body.add(read.subarray(10, 20));
  const given = transferable(body.bytes);
  structuredClone(given, { transfer: [given.buffer] });
  t.equal(read.length, 64 * 1024);
});
