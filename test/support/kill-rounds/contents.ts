import { createHash } from 'node:crypto';

/** Bytes as they pass between a hand and its ledger, with their SHA-256, and words by which people tell them apart. */
export interface Content {
  readonly label: string;
  readonly sum: string;
  readonly bytes: Uint8Array;
}

/** What a program saw in a file before it changed it. */
export interface Look extends Content {
  /** Below the mount point. */
  readonly path: string;
  /** The document's id at the server; 0: none yet. */
  readonly id: number;
}

/**
 * What a program does and what it is told. `act` numbers one act of it.
 * `begin`: from now on what it saw may be gone · `writes`: a write(2) is under way · `wrote`: it returned, and the bytes
 * so far are these · `completes`: fsync or close is under way, and these bytes are what it completes · `acknowledged`:
 * it returned · `end`: of the act, with the error that the program got.
 */
export type HandEvent =
  | {
      readonly at: 'begin';
      readonly act: number;
      readonly what: string;
      /** Places that it is about, below the mount point; with `/` at the end all below. */
      readonly paths: readonly string[];
      /** What it removes, or writes over. */
      readonly looks: readonly Look[];
      /** The first of them is written on. */
      readonly grows: boolean;
      readonly time: number;
    }
  | { readonly at: 'opened'; readonly act: number; readonly inode: number }
  | { readonly at: 'writes'; readonly act: number }
  | { readonly at: 'wrote'; readonly act: number; readonly content: Content; readonly time: number }
  | { readonly at: 'completes'; readonly act: number; readonly contents: readonly Content[] }
  | { readonly at: 'acknowledged'; readonly act: number; readonly contents: readonly Content[] }
  | { readonly at: 'end'; readonly act: number; readonly error: string | undefined };

/** What a hand is asked. */
export type HandTask =
  | { readonly do: 'work'; readonly area: string; readonly steps: number; readonly seed: number }
  | { readonly do: 'read'; readonly path: string }
  | { readonly do: 'list' };

/** What it answers: events while it works, and a result at the end. */
export type HandAnswer = { readonly event: HandEvent } | { readonly result: HandResult };

export interface HandResult {
  /** What is wrong with the program itself. */
  readonly fault?: string;
  /** Of `read`: absent where it cannot be read. */
  readonly content?: Content;
  /** Of `list`: SHA-256 by path of all files of the mount, and `undefined` for folders. */
  readonly tree?: ReadonlyMap<string, string | undefined>;
}

/** Milliseconds since the epoch, finer than a millisecond, the same in all processes. */
export const timeNow = (): number => performance.timeOrigin + performance.now();

/** Labels say who wrote it first: all contents begin with a stamp that ends with `|`. */
export function contentOf(bytes: Uint8Array): Content {
  const sum = createHash('sha256').update(bytes).digest('hex');
  const stamp = Buffer.from(bytes.subarray(0, 60)).toString('latin1').split('|')[0];
  return { label: `${stamp} (${bytes.length} bytes)`, sum, bytes };
}
