import { Failure } from '../base/errors.js';
import type { Transfer } from './definition/transfer-schema.js';
import type { Endpoint } from './endpoint.js';
import { compileFilters } from './filters.js';

/**
 * Abilities of an endpoint that decide whether it supports a key of a transfer; undefined: known only after it is
 * opened.
 */
export interface Abilities {
  /** `Procore`, `Local disk`, … */
  readonly title: string;
  readonly keepsVersions: boolean;
  readonly setsTimes: boolean | undefined;
  readonly emptyFolders: boolean | undefined;
}

export const abilitiesOf = ({ rules, keepsVersions }: Pick<Endpoint, 'rules' | 'keepsVersions'>): Abilities => ({
  title: rules.names.title,
  keepsVersions,
  setsTimes: rules.setsTimes,
  emptyFolders: rules.emptyFolders,
});

/**
 * Refuses keys that the endpoints cannot honour, instead of silently ignoring them.
 * @throws Failure `job-refused`, naming the key and the reason
 */
export function requireFitting(transfer: Transfer, source: Abilities, destination: Abilities): void {
  const refuse = (key: string, why: string): never => {
    throw new Failure('job-refused', { why: `transfer.${key}: ${why}` });
  };
  const written = transfer.transfer_type === 'sync' ? [destination, source] : [destination];
  for (const { title, keepsVersions, setsTimes } of written) {
    if (transfer.versioning.select === 'all' && !keepsVersions)
      refuse('versioning.select', `"all" cannot be: ${title} keeps one version of a file; "latest" copies that`);
    if (transfer.timestamps === true && setsTimes === false)
      refuse('timestamps', `${title} gives times itself; without the key they are kept where they can be`);
  }
  if (transfer.transfer_type === 'taxonomy' && destination.emptyFolders === false)
    refuse('transfer_type', `"taxonomy" makes folders alone, and ${destination.title} has none without files`);
  // Patterns are checked when they are compiled.
  compileFilters(transfer.filter.source);
  compileFilters(transfer.filter.destination);
}
