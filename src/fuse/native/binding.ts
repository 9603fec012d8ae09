import { errnoOf, Failure } from '../../base/errors.js';

/** Answers an operation with a result (negative: an errno) and its return values. */
export type Signal = (result: number, ...values: unknown[]) => void;
type Handler = (native: Buffer, opcode: number, ...args: unknown[]) => void;

/** The used members of the package's class, which has no types. Those with `_` are its internals. */
export interface FuseInstance {
  open(done: (error: Error | null) => void): void;
  close(done: (error: Error | null) => void): void;
  _fuseOptions: () => string;
  _handlers: Handler[];
  _op_fgetattr: (signal: Signal, path: string, fd: number) => void;
  _op_getxattr: (signal: Signal, path: string, name: string, target: Buffer) => void;
  _op_listxattr: (signal: Signal, path: string, target: Buffer) => void;
}

export type Callback = (result: number, ...values: unknown[]) => void;
// biome-ignore lint/suspicious/noExplicitAny: each operation has arguments of its own
export type NativeOperations = Record<string, (...args: any[]) => void>;

export interface FuseClass {
  new (mountpoint: string, operations: NativeOperations, options: { timeout: false }): FuseInstance;
  unmount: (mountpoint: string, done: (error: Error | null) => void) => void;
}

/**
 * Loads the npm package `fuse-native`, an optional dependency. It may be absent (npm drops it if it cannot be built),
 * and it cannot be loaded without libfuse 2.
 *
 * @throws Failure libfuse-missing
 */
export async function loadFuseNative(): Promise<FuseClass> {
  const name = 'fuse-native';
  try {
    return ((await import(name)) as { default: FuseClass }).default;
  } catch (error) {
    const hint =
      errnoOf(error) === 'ERR_MODULE_NOT_FOUND'
        ? 'install libfuse2 (`apt-get install libfuse2`) and a C compiler, then run `npm ci` again; or use --driver kernel'
        : 'run `apt-get install libfuse2` as root (x64 only), or use --driver kernel';
    throw new Failure('libfuse-missing', { hint }, error);
  }
}
