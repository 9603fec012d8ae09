import { createHash } from 'node:crypto';
import type { EndpointItem } from '../endpoint.js';

/** Bytes of a hash that fit into a number. */
const TAG_BYTES = 6;

/**
 * Items, as the plan saw them, that are to be deleted or replaced and have no record of their state. Kept as one number
 * per item for the duration of the run.
 */
export class SeenItems {
  readonly #seen = new Set<number>();

  add(item: EndpointItem): void {
    this.#seen.add(numberOf(item));
  }

  /** Whether the item is in the state that the plan saw. */
  has(item: EndpointItem): boolean {
    return this.#seen.has(numberOf(item));
  }
}

function numberOf({ path, folder, size, mtime, version, hash, unusable }: EndpointItem): number {
  const facts = [path, folder, ...(folder ? [] : [size, mtime, version, hash?.value]), unusable];
  return createHash('sha256').update(JSON.stringify(facts)).digest().readUIntBE(0, TAG_BYTES);
}
