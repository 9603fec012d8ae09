import type { TransferType } from '../definition/words.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';

/** Reason of an item that restricts access to its owner. */
export const PRIVATE_REASON = 'it is private at the other end';

interface Ends {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** Whether a private item stays private at the other endpoint; if not, everybody with access there can read it. */
export const isKeptPrivate = ({ source: a }: { readonly source: EndpointItem | undefined }, ends: Ends): boolean =>
  (a?.private ? ends.destination : ends.source).rules.keepsPrivacy;

/**
 * Finds an existing item that became private at one endpoint and that others can read at the other one. Files written
 * anew are created private and need no such step. Access is never widened: a person must do that.
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
