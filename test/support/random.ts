import { createCipheriv } from 'node:crypto';

/** mulberry32: the same seed gives the same numbers, from 0 to below 1. */
export function randomBy(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The same seed gives the same bytes, which do not compress. */
export function bytesBy(seed: number, size: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeInt32LE(seed);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}
