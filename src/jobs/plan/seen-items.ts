import { createHash } from 'node:crypto';
import type { EndpointItem } from '../endpoint.js';

/** Bytes of a hash that a number holds. */
const TAG_BYTES = 6;

/**
 * Items as a plan saw them that are to go or to be replaced and of which no record says what they were: a number each, for
 * as long as the run lasts.
 */
export class SeenItems {
  readonly #seen = new Set<number>();

  add(item: EndpointItem): void {
    this.#seen.add(numberOf(item));
  }

  /** Whether it is as the plan saw it. */
  has(item: EndpointItem): boolean {
    return this.#seen.has(numberOf(item));
  }
}

function numberOf({ path, folder, size, mtime, version, hash, unusable }: EndpointItem): number {
  const facts = [path, folder, ...(folder ? [] : [size, mtime, version, hash?.value]), unusable];
  return createHash('sha256').update(JSON.stringify(facts)).digest().readUIntBE(0, TAG_BYTES);
}
