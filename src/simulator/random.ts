/** A 32-bit hash of two integers: the source of all generated data, so that the same seed gives the same data. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul((b + 0x7f4a7c15) | 0, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

/** A hash as a fraction in [0, 1). */
export const fraction = (hash: number): number => (hash >>> 0) / 0x1_0000_0000;

/** The 32-bit seed for a text. */
export function seedOf(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = mix(h, text.charCodeAt(i));
  return h;
}

/** A reproducible sequence of numbers. */
export class Random {
  #seed: number;
  #count = 0;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    return fraction(mix(this.#seed, this.#count++));
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }
}

/** A normally distributed number (mean 0, deviation 1) from two hashes, by Box and Muller. */
export function normal(a: number, b: number): number {
  return Math.sqrt(-2 * Math.log(1 - fraction(a))) * Math.cos(2 * Math.PI * fraction(b));
}
