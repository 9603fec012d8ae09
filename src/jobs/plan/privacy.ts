import type { TransferType } from '../definition/words.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';

/** Why an item is taken from others at one end. */
export const PRIVATE_REASON = 'it is private at the other end';

interface Ends {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** Whether what is private at one end can be so at the other; else whoever may read there reads it. */
export const isKeptPrivate = ({ source: a }: { readonly source: EndpointItem | undefined }, ends: Ends): boolean =>
  (a?.private ? ends.destination : ends.source).rules.keepsPrivacy;

/**
 * What became private at one end after it was transferred, and can be read by others at the other one. What is written
 * anew needs nothing of this. Nothing is given to others again: that is for people to say.
 */
export function protectionOf(
  {
    source: a,
    destination: b,
  }: { readonly source: EndpointItem | undefined; readonly destination: EndpointItem | undefined },
  { source, destination }: Ends,
  type: TransferType,
): 'protect' | 'protect-source' | undefined {
  if (!a || !b || a.unusable || b.unusable || a.folder !== b.folder) return undefined;
  if (a.private && destination.rules.keepsPrivacy && !b.ownerOnly) return 'protect';
  if (type === 'sync' && b.private && source.rules.keepsPrivacy && !a.ownerOnly) return 'protect-source';
  return undefined;
}
