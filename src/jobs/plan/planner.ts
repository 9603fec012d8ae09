import { setImmediate } from 'node:timers/promises';
import { chunks } from '../../base/chunks.js';
import { isFailure } from '../../base/errors.js';
import { childPath } from '../../endpoints/paths.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';
import { compileFilters } from '../filters.js';
import { kindOf } from '../run/waiting.js';
import type { NewRunItem, RunItems } from '../store/items.js';
import type { Records } from '../store/records.js';
import { Batch } from './batch.js';
import { costOf, countFolder, countTransfer, countUnchanged, type Estimate, emptyEstimate } from './cost.js';
import { decideFile, type FileDecision, type Grains, grainsOf, type Policies } from './decide.js';
import { decideFolder } from './decide-folder.js';
import { type FolderOutcome, type Frame, foldersOf, type Pair, recordOfPair, refreshed } from './frame.js';
import { withLateWork } from './late-work.js';
import { lookedFor, whyUnsure } from './missing.js';
import { listed, originalBelow, type PairOptions, pairsOf, whyUnusable } from './pairs.js';
import { isKeptPrivate, PRIVATE_REASON, protectionOf } from './privacy.js';
import { receivable } from './receivable.js';
import { SeenItems } from './seen-items.js';

export interface PlanOptions {
  readonly transfer: Transfer;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly records: Records;
  readonly items: RunItems;
  /** Records of the job that `names_from` names; undefined: no names are restored. */
  readonly original: Records | undefined;
  /** A simulation: only the plan is stored; records stay as they are. */
  readonly dry: boolean;
  readonly signal: AbortSignal;
  /** Called after each folder. */
  readonly progress?: (estimate: Estimate) => void;
}

type ItemFilter = ReturnType<typeof compileFilters>;

/** Reason of an item that a person chose to ignore. */
export const IGNORED = 'it is ignored, until procorefs jobs retry names it';

/** Pairs of a folder that are planned before other tasks of the thread get their turn. */
const BATCH_ITEMS = 250;

/** First character of a hidden name, where the endpoint does not report `hidden`. */
const DOT = '.';

/**
 * Walks both trees together, one folder at a time, and stores an item for each action that the run has to take. Only
 * differences produce rows, so memory and disk use grow with the number of changes and the widest folder, not with the
 * size of the trees.
 */
export class Planner {
  readonly #options: PlanOptions;
  readonly #policies: Policies;
  readonly #pairing: PairOptions;
  readonly #grains: Grains;
  readonly #filters: { readonly source: ItemFilter; readonly destination: ItemFilter };
  readonly #estimate: Estimate = emptyEstimate();
  readonly #changes: Batch;
  /** Destination items, as the plan saw them, that a publish job deletes or replaces without comparing a record. */
  readonly seen = new SeenItems();
  /** Endpoints whose root folder lists no items at all. */
  readonly empty = { source: false, destination: false };

  constructor(options: PlanOptions) {
    this.#options = options;
    const { transfer, source, destination, items } = options;
    this.#changes = new Batch((work) => items.transaction(work));
    this.#policies = {
      type: transfer.transfer_type,
      conflicts: transfer.conflict_resolution,
      deletions: transfer.delete_propagation,
    };
    this.#grains = grainsOf(source.rules, destination.rules);
    const naming = (rules: Endpoint['rules']) => ({
      rules,
      // Unless the job asks for it, names are not transformed on their way into Procore: people choose names there.
      transform: transfer.segment_transform ?? rules.platform !== 'procore',
      encode: transfer.encode_invalid_characters,
      truncate: transfer.segment_truncate,
      duplicates: transfer.duplicate_names,
    });
    this.#pairing = {
      forward: naming(destination.rules),
      backward: naming(source.rules),
      bothWays: transfer.transfer_type === 'sync',
      original: options.original,
    };
    this.#filters = {
      source: compileFilters(transfer.filter.source),
      destination: compileFilters(transfer.filter.destination),
    };
  }

  /** @throws Failure of an endpoint whose root folder cannot be listed */
  async run(): Promise<Estimate> {
    const { destination, signal } = this.#options;
    const atDestination = (await destination.stat('', signal)) !== undefined;
    if (!atDestination) this.#estimate.calls += destination.cost('folder', 0);
    await this.#folder({
      source: '',
      destination: '',
      atSource: true,
      atDestination,
      original: this.#options.original ? '' : undefined,
    });
    this.#changes.flush();
    this.#countDeletions();
    return this.#estimate;
  }

  /** Counts deletions after the walk: an item that is deleted together with its folder costs no call of its own. */
  #countDeletions(): void {
    const { items, source, destination } = this.#options;
    for (const [action, side] of [
      ['delete', destination],
      ['delete-source', source],
    ] as const) {
      const { items: count, own, folders } = items.deletions(action);
      this.#estimate.deletions += count;
      this.#estimate.items += count;
      this.#estimate.calls += (own - folders) * side.cost('delete', 0) + folders * side.cost('delete-folder', 0);
    }
  }

  async #folder(frame: Frame): Promise<FolderOutcome> {
    const { source, destination, records, items, signal } = this.#options;
    signal.throwIfAborted();
    let lists: { source: EndpointItem[]; destination: EndpointItem[] };
    try {
      lists = {
        source: frame.atSource ? await listed(source.list(frame.source, signal), frame.source) : [],
        destination: frame.atDestination
          ? await listed(destination.list(frame.destination, signal), frame.destination)
          : [],
      };
    } catch (error) {
      if (kindOf(error) === 'final' || !isFailure(error) || signal.aborted || frame.source === '') throw error;
      this.#changes.add(() =>
        items.add({
          ...foldersOf(frame),
          isFolder: true,
          action: 'flag',
          status: 'retry',
          reason: error.line,
          bytes: 0,
          count: 1,
        }),
      );
      this.#estimate.problems++;
      return { keeps: true, fills: false, deletions: { delete: 0, 'delete-source': 0 } };
    }
    if (frame.source === '')
      for (const side of ['source', 'destination'] as const) this.empty[side] = lists[side].length === 0;
    const named = {
      source: this.#byName(lists.source, 'source'),
      destination: this.#byName(lists.destination, 'destination'),
    };
    const ignored = records.ignoredIn(frame.source);
    const pairs = pairsOf(frame, named.source, named.destination, records.ofFolder(frame.source), this.#pairing);

    let [keeps, fills] = [false, false];
    const deletions = { delete: 0, 'delete-source': 0 };
    const folders: Pair[] = [];
    for (const chunk of chunks(pairs, BATCH_ITEMS)) {
      for (const pair of chunk) {
        const isFolder = (pair.source ?? pair.destination)?.folder ?? pair.record?.isFolder ?? false;
        const unusable = [pair.source, pair.destination].find((item) => item?.unusable !== undefined);
        const isPrivate = pair.source?.private === true || pair.destination?.private === true;
        if (this.#isExcluded(pair)) {
          this.#estimate.excluded++;
          if (isPrivate) this.#estimate.private_excluded++;
          keeps = true;
          continue;
        }
        if (isPrivate) this.#estimate.private++;
        if (isPrivate && !isKeptPrivate(pair, this.#options)) this.#estimate.private_open++;
        if (ignored.has(pair.name) || (pair.record && ignored.has(pair.record.name))) {
          this.#item(frame, pair, { action: 'skip', reason: IGNORED }, isFolder);
          keeps = true;
        } else if (pair.unnamed !== undefined || unusable) {
          this.#flag(frame, pair, isFolder, pair.unnamed ?? whyUnusable(unusable!));
          keeps = true;
        } else if (pair.source && pair.destination && pair.source.folder !== pair.destination.folder) {
          this.#flag(frame, pair, isFolder, 'it is a file on one side and a folder on the other');
          keeps = true;
        } else {
          const known = await lookedFor(frame, this.#ofOneKind(frame, pair, isFolder), this.#options);
          const unsure = await whyUnsure(frame, known, this.#options);
          if (unsure) {
            this.#item(frame, known, { action: 'flag', ...unsure }, isFolder);
            keeps = true;
            continue;
          }
          const current = await withLateWork(this.#refreshed(frame, known), this.#options, this.#grains);
          const action = protectionOf(current, this.#options, this.#options.transfer.transfer_type);
          if (action) this.#item(frame, current, { action, reason: PRIVATE_REASON }, isFolder);
          if (isFolder) {
            folders.push(current);
            countFolder(this.#estimate, current);
            continue;
          }
          const done = this.#file(frame, current);
          if (done === 'delete' || done === 'delete-source') deletions[done]++;
          else if (done !== 'gone') keeps = true;
          fills ||= done === 'fills';
        }
      }
      // The same thread serves the mount.
      await setImmediate();
    }
    for (const pair of folders) {
      const below = await this.#folder({
        source: childPath(frame.source, pair.name),
        destination: childPath(frame.destination, pair.otherName),
        atSource: pair.source !== undefined,
        atDestination: pair.destination !== undefined,
        original: originalBelow(frame, pair),
      });
      const after = this.#afterFolder(frame, pair, below);
      keeps ||= after.keeps;
      fills ||= after.fills;
      deletions.delete += after.deletions.delete;
      deletions['delete-source'] += after.deletions['delete-source'];
    }
    this.#options.progress?.(this.#estimate);
    return { keeps, fills, deletions };
  }

  /** Items by name. Items that the filters exclude come last, so that they take no name from a transferred item. */
  #byName(items: readonly EndpointItem[], side: 'source' | 'destination'): Map<string, EndpointItem> {
    const [taken, out]: [EndpointItem[], EndpointItem[]] = [[], []];
    for (const item of items) (this.#isTaken(item, side) ? taken : out).push(item);
    return new Map([...taken, ...out].map((item) => [item.name, item]));
  }

  /**
   * Whether a filter of either endpoint excludes the item. The job ignores such an item: it counts neither as deleted
   * nor as new. An item that exists at one endpoint only is tested by the filters of both, since it would be created,
   * or counted as missing, at the other one.
   */
  #isExcluded({ source, destination }: Pair): boolean {
    const atSource = source ?? destination;
    const atDestination = destination ?? source;
    if (!atSource || !atDestination) return false;
    return !this.#isTaken(atSource, 'source') || !this.#isTaken(atDestination, 'destination');
  }

  /** Drops the record of a pair whose item is a file in place of a folder, or the reverse: that is a new item. */
  #ofOneKind(frame: Frame, pair: Pair, isFolder: boolean): Pair {
    const { record } = pair;
    if (!record || record.isFolder === isFolder) return pair;
    if (!this.#options.dry) {
      this.#changes.add(() => this.#options.records.forget(frame.source, record.name, true));
      // The records below the folder are read next.
      this.#changes.flush();
    }
    return { ...pair, record: undefined };
  }

  /** Records the current names and ids of the items before anything else is done with them. */
  #refreshed(frame: Frame, pair: Pair): Pair {
    const { records, dry } = this.#options;
    const { record: before } = pair;
    const record = before && refreshed(before, pair);
    if (!before || !record || record === before) return pair;
    if (!dry) {
      this.#changes.add(() => {
        if (record.name !== before.name) records.rename(frame.source, before.name, record.name, record.isFolder);
        records.put(record);
      });
      // The records below the folder are read next.
      if (record.isFolder && record.name !== before.name) this.#changes.flush();
    }
    return { ...pair, record };
  }

  #isTaken(item: EndpointItem, side: 'source' | 'destination'): boolean {
    const hidden = item.hidden ?? item.name.startsWith(DOT);
    return this.#filters[side]({
      path: item.path,
      name: item.name,
      folder: item.folder,
      size: item.size,
      mtime: item.mtime,
      hidden,
      private: item.private ?? false,
    }).taken;
  }

  /** Plans one file: stores its item, or only updates its record if nothing has to be done. */
  #file(frame: Frame, pair: Pair): 'fills' | 'keeps' | 'delete' | 'delete-source' | 'gone' {
    const { records, dry, transfer } = this.#options;
    const { source, destination, record } = pair;
    const estimate = this.#estimate;
    const situation = { source, destination, record, grains: this.#grains };
    const decision = receivable(pair, decideFile(situation, this.#policies), this.#options);
    const isReplaced = decision.action === 'copy' || decision.action === 'delete';
    if (destination && isReplaced && transfer.transfer_type === 'publish') this.seen.add(destination);
    switch (decision.action) {
      case 'none':
        // A taxonomy job copies no files, but a file makes its folder a non-empty one.
        if (!destination && source && transfer.transfer_type === 'taxonomy') return 'fills';
        if (!source || !destination) return 'keeps';
        countUnchanged(estimate, source, destination);
        return 'fills';
      case 'adopt':
        countUnchanged(estimate, source!, destination!);
        if (!dry) this.#changes.add(() => records.put(recordOfPair(frame, pair, source!, destination!)));
        if (transfer.transfer_type === 'move') this.#item(frame, pair, { action: 'clear-source' });
        return 'fills';
      case 'forget':
        if (!dry) this.#changes.add(() => records.forget(frame.source, pair.name, false));
        return 'gone';
      case 'delete':
      case 'delete-source':
        this.#item(frame, pair, decision);
        return decision.action;
      default:
        this.#item(frame, pair, decision);
        return decision.action === 'flag' || decision.action === 'skip' ? 'keeps' : 'fills';
    }
  }

  /**
   * Plans a folder after its content: it is deleted if all of its content is, and created if some of its content stays.
   */
  #afterFolder(frame: Frame, pair: Pair, below: FolderOutcome): FolderOutcome {
    const { records, items, dry, transfer, ...ends } = this.#options;
    const { source, destination, record } = pair;
    const kept: FolderOutcome = { keeps: true, fills: below.fills, deletions: below.deletions };
    const isMove = transfer.transfer_type === 'move';
    const decision = decideFolder(
      {
        source,
        destination,
        isKnown: record !== undefined,
        below,
        rules: { source: ends.source.rules, destination: ends.destination.rules },
        makesEmpty: transfer.empty_containers === 'create',
      },
      this.#policies,
    );
    const { action } = decision;
    switch (action) {
      case 'record':
        if (!record && !dry) this.#changes.add(() => records.put(recordOfPair(frame, pair, source!, destination!)));
        if (isMove) this.#item(frame, pair, { action: 'clear-source' }, true);
        return { ...kept, fills: true };
      case 'forget':
        if (!dry) this.#changes.add(() => records.forget(frame.source, pair.name, true));
        return { ...below, fills: false };
      case 'delete':
      case 'delete-source': {
        const count = below.deletions[action] + 1;
        if (destination && transfer.transfer_type === 'publish') this.seen.add(destination);
        this.#changes.add(() => items.collapse(childPath(frame.source, pair.name), action));
        this.#item(frame, pair, decision, true, count);
        return { keeps: false, fills: false, deletions: { ...below.deletions, [action]: count } };
      }
      case 'skip':
        this.#item(frame, pair, decision, true);
        return kept;
      case 'create-folder':
      case 'create-folder-source':
        this.#item(frame, pair, { action }, true);
        if (isMove && source) this.#item(frame, pair, { action: 'clear-source' }, true);
        return { ...kept, fills: true };
      default:
        return source || destination ? kept : { ...below, fills: false };
    }
  }

  #flag(frame: Frame, pair: Pair, isFolder: boolean, reason: string): void {
    this.#item(frame, pair, { action: 'flag', reason }, isFolder);
  }

  #item(
    frame: Frame,
    pair: Pair,
    decision: { action: FileDecision['action'] | NewRunItem['action']; reason?: string; status?: NewRunItem['status'] },
    isFolder = false,
    count = 1,
  ): void {
    const { action } = decision as { action: NewRunItem['action'] };
    const { transfer } = this.#options;
    const moved =
      action === 'copy' || action === 'conflict' || action === 'compare'
        ? pair.source
        : action === 'copy-back'
          ? pair.destination
          : undefined;
    const item: NewRunItem = {
      folder: frame.source,
      name: pair.name,
      otherFolder: frame.destination,
      otherName: pair.otherName,
      isFolder,
      action,
      status: decision.status ?? (action === 'flag' ? 'remediation' : action === 'skip' ? 'skipped' : 'pending'),
      reason: decision.reason,
      renamed: pair.renamed,
      bytes: moved?.size ?? 0,
      count,
    };
    this.#changes.add(() => this.#options.items.add(item));
    const estimate = this.#estimate;
    if (action === 'flag') estimate.problems++;
    else if (action === 'skip') estimate.skipped++;
    else if (action !== 'delete' && action !== 'delete-source') {
      estimate.items++;
      if (moved) countTransfer(estimate, moved, transfer);
      if (!pair.record && pair.renamed !== undefined) estimate.renames++;
      estimate.calls += costOf(action, pair, isFolder, {
        ...this.#options,
        policies: this.#policies,
        allVersions: transfer.versioning.select === 'all',
      });
    }
  }
}
