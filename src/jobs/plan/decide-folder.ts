import type { TargetRules } from '../../endpoints/target.js';
import type { EndpointItem } from '../endpoint.js';
import { carriesDestinationDeletions, carriesSourceDeletions, type Policies } from './decide.js';
import type { FolderOutcome } from './frame.js';

export interface FolderSituation {
  readonly source: EndpointItem | undefined;
  readonly destination: EndpointItem | undefined;
  /** It was transferred before. */
  readonly isKnown: boolean;
  readonly below: FolderOutcome;
  readonly rules: { readonly source: FolderRules; readonly destination: FolderRules };
  /** Folders with nothing in them are made. */
  readonly makesEmpty: boolean;
}

type FolderRules = Pick<TargetRules, 'emptyFolders' | 'names'>;

/** none: it stays as it is · record: it is on both sides · forget: on neither, and nothing in it either */
export type FolderDecision =
  | { readonly action: 'none' | 'record' | 'forget' | 'create-folder' | 'create-folder-source' }
  | { readonly action: 'delete' | 'delete-source' | 'skip'; readonly reason: string };

const NONE: FolderDecision = { action: 'none' };

/** What is to be done about a folder, when it is known what becomes of everything in it. */
export function decideFolder(situation: FolderSituation, policies: Policies): FolderDecision {
  const { source, destination, isKnown, below, rules, makesEmpty } = situation;
  if (source && destination) return { action: 'record' };
  if (!source && !destination) return isKnown && !below.keeps ? { action: 'forget' } : NONE;
  const missingAt = source ? rules.destination : rules.source;
  // Where folders are only what their files imply, nobody deleted one that has none.
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
