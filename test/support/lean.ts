import asyncHooks from 'node:async_hooks';
import { existsSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import workers, { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Loaded by `run.ts` before each test file. tap's hook on every promise, which tells the subtest of an error that nothing
 * awaits, costs an eighth of what a test does: such an error ends the file instead. Threads are begun from the bundle, as
 * those of the installed program are.
 */
const none = { enable: () => none, disable: () => none };
asyncHooks.createHook = () => none;

workers.Worker = class extends Worker {
  constructor(file: string | URL, options?: WorkerOptions) {
    const installed = new URL(`../../bundle/${basename(String(file))}`, import.meta.url);
    super(existsSync(fileURLToPath(installed)) ? installed : file, options);
  }
};
syncBuiltinESMExports();
