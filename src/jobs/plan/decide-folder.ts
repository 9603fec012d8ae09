import type { TargetRules } from '../../endpoints/target.js';
import type { EndpointItem } from '../endpoint.js';
import { carriesDestinationDeletions, carriesSourceDeletions, type Policies } from './decide.js';
import type { FolderOutcome } from './frame.js';

export interface FolderSituation {
  readonly source: EndpointItem | undefined;
  readonly destination: EndpointItem | undefined;
  /** The folder has a record. */
  readonly isKnown: boolean;
  readonly below: FolderOutcome;
  readonly rules: { readonly source: FolderRules; readonly destination: FolderRules };
  /** Empty folders are created. */
  readonly makesEmpty: boolean;
}

type FolderRules = Pick<TargetRules, 'emptyFolders' | 'names'>;

/** none: no change · record: it exists at both endpoints · forget: it exists at neither, and nothing in it either */
export type FolderDecision =
  | { readonly action: 'none' | 'record' | 'forget' | 'create-folder' | 'create-folder-source' }
  | { readonly action: 'delete' | 'delete-source' | 'skip'; readonly reason: string };

const NONE: FolderDecision = { action: 'none' };

/** Decides what to do about a folder, after the plan of its content. */
export function decideFolder(situation: FolderSituation, policies: Policies): FolderDecision {
  const { source, destination, isKnown, below, rules, makesEmpty } = situation;
  if (source && destination) return { action: 'record' };
  if (!source && !destination) return isKnown && !below.keeps ? { action: 'forget' } : NONE;
  const missingAt = source ? rules.destination : rules.source;
  // Where folders exist only through their files, a missing empty folder was not deleted by anybody.
  if (missingAt.emptyFolders && !below.keeps && isDeletion(situation, policies))
    return {
      action: source ? 'delete-source' : 'delete',
      reason: isKnown ? 'the folder was deleted' : 'it is not at the source',
    };
  const isWanted = makesEmpty || below.fills;
  if (isWanted && !below.fills && !missingAt.emptyFolders && (source || policies.type === 'sync'))
    return { action: 'skip', reason: `${missingAt.names.title} keeps no empty folders` };
  if (!isWanted) return NONE;
  if (source) return policies.type === 'migrate' && isKnown ? NONE : { action: 'create-folder' };
  return policies.type === 'sync' ? { action: 'create-folder-source' } : NONE;
}

function isDeletion({ source, isKnown }: FolderSituation, policies: Policies): boolean {
  if (source) return isKnown && carriesDestinationDeletions(policies);
  return policies.type === 'publish' || (isKnown && carriesSourceDeletions(policies) && policies.type !== 'move');
}
