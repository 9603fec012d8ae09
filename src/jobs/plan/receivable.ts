import { Failure } from '../../base/errors.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { Endpoint } from '../endpoint.js';
import type { FileDecision } from './decide.js';
import type { Pair } from './frame.js';

interface Ends {
  readonly transfer: Transfer;
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

const TRANSFERS = ['copy', 'copy-back', 'conflict', 'compare'];

/**
 * Replaces the decision for a file that the receiving endpoint cannot take or that is checked out, so that it fails in
 * the plan and not after the transfer.
 */
export function receivable(pair: Pair, decision: FileDecision, { transfer, source, destination }: Ends): FileDecision {
  const isBack = decision.action === 'copy-back';
  const item = isBack ? pair.destination : pair.source;
  if (!item || !TRANSFERS.includes(decision.action)) return decision;
  const { rules } = isBack ? source : destination;
  const { path } = item;
  if (rules.maxFileSize !== undefined && item.size > rules.maxFileSize) {
    const { line } = new Failure('item-too-large', {
      path,
      size: item.size,
      platform: rules.names.title,
      limit: rules.maxFileSize,
    });
    return { action: transfer.large_item === 'skip' ? 'skip' : 'flag', reason: line };
  }
  const type = rules.restrictedTypes.find((ending) => item.name.toLowerCase().endsWith(ending));
  if (type !== undefined) return { action: 'flag', reason: `${rules.names.title} takes no ${type} files` };
  const holder =
    transfer.lock_propagation === 'skip' ? (pair.source?.lockedBy ?? pair.destination?.lockedBy) : undefined;
  if (holder !== undefined) return { action: 'skip', reason: new Failure('item-locked', { path, holder }).line };
  return decision;
}
