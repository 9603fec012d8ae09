import type { NodeId } from '../base/ids.js';
import { after, type Context } from './filesystem.js';
import {
  type ArgumentKind,
  type Effect,
  type FilePosition,
  type FileSystem,
  type OperationRow,
  type ReadingOperations,
  type ResultKind,
  type Results,
  readingTable,
  type WritingOperations,
  writingTable,
} from './operations.js';

/** The arguments of one request, in the order of the operation's signature. */
export type Arguments = unknown[];

/** A folder and a name in it, as arguments of a request. */
export interface NamedPlace {
  readonly folder: NodeId;
  readonly name: string;
  /** The name is given to an item. */
  readonly isNew: boolean;
}

type Functions = Readonly<Record<string, (...args: Arguments) => unknown>>;

/** An operation as its row describes it; reads the arguments of its requests. */
export class Operation {
  readonly effect: Effect;
  readonly result: ResultKind;
  readonly stale: OperationRow['stale'];
  /** It answers with an open file or folder, which an operation with the effect `closes` ends. */
  readonly opens: boolean;
  /** It is about places in open files. */
  readonly isOfPositions: boolean;
  readonly #name: string;
  readonly #isWriting: boolean;
  /** Indices of the arguments that contain a node, are names, and of the context. */
  readonly #nodes: readonly number[];
  readonly #names: readonly number[];
  readonly #context: number;
  readonly #kinds: readonly ArgumentKind[];

  constructor(name: string, row: OperationRow, isWriting: boolean) {
    this.effect = row.effect;
    this.result = row.result;
    this.stale = row.stale;
    this.opens = row.result === 'file' || row.result === 'folder' || row.result === 'created';
    this.isOfPositions = row.arguments.includes('position');
    this.#name = name;
    this.#isWriting = isWriting;
    this.#kinds = row.arguments;
    const indices = [...row.arguments.keys()];
    const indicesOf = (...kinds: ArgumentKind[]): number[] => indices.filter((at) => kinds.includes(this.#kinds[at]!));
    this.#nodes = indicesOf('node', 'position');
    this.#names = indicesOf('name', 'newName');
    this.#context = row.arguments.indexOf('context');
  }

  /** Runs the operation of a file system that has it. */
  of(fileSystem: FileSystem, args: Arguments): unknown {
    return this.on(this.#isWriting ? fileSystem.writable! : fileSystem, args);
  }

  /** As `of`, with the half of a file system that has the operation. */
  on(operations: ReadingOperations | WritingOperations, args: Arguments): unknown {
    return (operations as unknown as Functions)[this.#name]!(...args);
  }

  context(args: Arguments): Context {
    return args[this.#context] as Context;
  }

  /** The node of the request. Only for operations that have one. */
  node(args: Arguments): NodeId {
    return this.#nodeAt(args, this.#nodes[0]!);
  }

  /** The second node, of a rename or copy. */
  otherNode(args: Arguments): NodeId | undefined {
    const at = this.#nodes[1];
    return at === undefined ? undefined : this.#nodeAt(args, at);
  }

  someNode(args: Arguments, test: (node: NodeId) => boolean): boolean {
    for (const at of this.#nodes) if (test(this.#nodeAt(args, at))) return true;
    return false;
  }

  names(args: Arguments): NamedPlace[] {
    return this.#names.map((at) => ({
      folder: args[at - 1] as NodeId,
      name: args[at] as string,
      isNew: this.#kinds[at] === 'newName',
    }));
  }

  /** What the operation makes stale: a node, or folders and names in them. */
  stalePlaces(args: Arguments): { readonly node: NodeId; readonly name?: string }[] {
    if (this.stale === 'names') return this.names(args).map(({ folder, name }) => ({ node: folder, name }));
    return this.stale === 'node' ? [{ node: this.node(args) }] : [];
  }

  /** Replaces the nodes of a request. */
  mapNodes(args: Arguments, map: (node: NodeId) => NodeId): void {
    for (const at of this.#nodes) {
      const node = map(this.#nodeAt(args, at));
      args[at] = this.#kinds[at] === 'node' ? node : { ...(args[at] as FilePosition), node };
    }
  }

  #nodeAt(args: Arguments, at: number): NodeId {
    return this.#kinds[at] === 'node' ? (args[at] as NodeId) : (args[at] as FilePosition).node;
  }
}

/** What a wrapper does with the requests of all operations. */
export interface Hooks {
  /** Throws what refuses a request. */
  readonly check?: (operation: Operation, args: Arguments) => void;
  /** The node by which the file system below knows an item. */
  readonly node?: (node: NodeId) => NodeId;
  /** Runs the operation, usually that of the file system below. */
  readonly run: (operation: Operation, args: Arguments) => unknown;
  /** The nodes whose requests go through `results` and `changed`; default: all. */
  readonly concerns?: (node: NodeId) => boolean;
  /** Changes the results of a kind. */
  readonly results?: { readonly [Kind in ResultKind]?: (result: Results[Kind]) => Results[Kind] };
  /** An operation has made stale what the kernel has cached: of a node, or of a folder and a name in it. */
  readonly changed?: (node: NodeId, name?: string) => void;
}

/** All operations that read, by way of the hooks. */
export function forwardReading(hooks: Hooks): ReadingOperations {
  return forwardAll(readingTable, false, hooks) as unknown as ReadingOperations;
}

/** All operations that write, by way of the hooks. */
export function forwardWriting(hooks: Hooks): WritingOperations {
  return forwardAll(writingTable, true, hooks) as unknown as WritingOperations;
}

function forwardAll(rows: Readonly<Record<string, OperationRow>>, isWriting: boolean, hooks: Hooks): Functions {
  return Object.fromEntries(
    Object.entries(rows).map(([name, row]) => [name, forward(new Operation(name, row, isWriting), hooks)]),
  );
}

function forward(operation: Operation, hooks: Hooks): (...args: Arguments) => unknown {
  const { check, node, run, concerns } = hooks;
  const result = hooks.results?.[operation.result] as ((result: unknown) => unknown) | undefined;
  const changed = operation.stale && hooks.changed;
  const pass = (args: Arguments): unknown => {
    if (node) operation.mapNodes(args, node);
    return run(operation, args);
  };
  if (!result && !changed)
    return (...args) => {
      check?.(operation, args);
      return pass(args);
    };
  return (...args) => {
    check?.(operation, args);
    if (concerns && !operation.someNode(args, concerns)) return pass(args);
    const stale = changed ? operation.stalePlaces(args) : [];
    return after(pass(args), (answer) => {
      for (const { node, name } of stale) changed?.(node, name);
      return result ? result(answer) : answer;
    });
  };
}
