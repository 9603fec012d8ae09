import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Another process that does synchronous file operations: a daemon must never wait for its own mount. Run as a child, this
 * module is that process.
 */
type SyncCalls = {
  [Name in keyof typeof fs as Name extends `${string}Sync` ? Name : never]: (typeof fs)[Name];
};
type Name = keyof SyncCalls;

export class Client {
  readonly process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 0;

  constructor(options: { uid?: number; gid?: number } = {}) {
    const env = { ...process.env, NODE_OPTIONS: '' };
    this.process = fork(fileURLToPath(import.meta.url), [], {
      serialization: 'advanced',
      execArgv: [],
      env,
      cwd: '/',
      ...options,
    });
    this.process.on('message', (message: { id: number; value?: unknown; code?: string; text?: string }) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.code === undefined) waiting?.resolve(message.value);
      else waiting?.reject(Object.assign(new Error(message.text), { code: message.code }));
    });
    this.process.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the client has ended'));
    });
  }

  /** Calls a function of node:fs there. Its error has the `code`. */
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of node:fs have no common type
  call(name: Name, ...args: unknown[]): Promise<any> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.process.send({ id, name, args });
    });
  }

  /** The error code of a call, or "none". */
  code(name: Name, ...args: unknown[]): Promise<string> {
    return this.call(name, ...args).then(
      () => 'none',
      (error: NodeJS.ErrnoException) => error.code ?? String(error),
    );
  }

  async text(path: string): Promise<string> {
    return Buffer.from(await this.call('readFileSync', path)).toString();
  }

  /** Opens, hands the descriptor over, closes. */
  async withOpen<T>(path: string, flags: string | number, use: (fd: number) => Promise<T>): Promise<T> {
    const fd = (await this.call('openSync', path, flags)) as number;
    try {
      return await use(fd);
    } finally {
      await this.call('closeSync', fd);
    }
  }

  /** `size` bytes from `offset`, as text. */
  async read(fd: number, offset: number, size: number): Promise<string> {
    const bytes = (await this.call('readSync', fd, { read: size }, offset)) as Uint8Array;
    return Buffer.from(bytes).toString();
  }

  close(): void {
    this.process.kill('SIGKILL');
  }
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.on('message', ({ id, name, args }: { id: number; name: Name; args: unknown[] }) => {
    try {
      let value: unknown;
      if (name === 'readSync') {
        const [fd, { read }, offset] = args as [number, { read: number }, number | null];
        const buffer = Buffer.alloc(read);
        value = buffer.subarray(0, fs.readSync(fd, buffer, 0, read, offset));
      } else {
        value = (fs[name] as (...args: unknown[]) => unknown)(...args);
      }
      // Stats and Dirent lose their methods on the way; their fields are enough.
      process.send?.({ id, value: value instanceof fs.Stats ? { ...value } : value });
    } catch (error) {
      process.send?.({ id, code: (error as NodeJS.ErrnoException).code ?? 'unknown', text: String(error) });
    }
  });
  process.on('disconnect', () => process.exit(0));
}
