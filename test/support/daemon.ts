import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '#src/daemon/control.js';
import type { MountStatus } from '#src/daemon/status.js';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import type { BrowsedFolder } from '#src/project/browse.js';
import { StateFolder } from '#src/project/state-folder.js';
import type { Installation } from './mounted.js';
import { until } from './processes.js';

/** The daemon behind a mount, asked as the command line asks it: without a process for each question. */
export class Daemon {
  readonly #installation: Installation;
  readonly #mnt: string;

  constructor({ installation, mnt }: { readonly installation: Installation; readonly mnt: string }) {
    this.#installation = installation;
    this.#mnt = mnt;
  }

  get pid(): number {
    return this.#record.pid;
  }

  status(): Promise<MountStatus> {
    return this.#ask('status', {});
  }

  /** Resolves after a poll that began after this. */
  async polled(): Promise<void> {
    for (const began = performance.now(); ; await sleep(50)) {
      const asked = performance.now();
      const { sincePoll } = await this.status();
      // What the answer takes on its way does not count: a poll from before would pass for a later one.
      if (sincePoll !== undefined && sincePoll * 1000 < asked - began) return;
    }
  }

  /** What is left after so many seconds at most. */
  drain(seconds = 240): Promise<UploadLine[]> {
    return this.#ask('drain', { timeout: seconds });
  }

  uploads(): Promise<UploadLine[]> {
    return this.#ask('uploads', {});
  }

  release(...lines: readonly UploadLine[]): Promise<unknown> {
    return this.#ask('release', { ids: lines.map(({ id }) => String(id)) });
  }

  /** Where the bytes are now. */
  discard(...lines: readonly UploadLine[]): Promise<string[]> {
    return this.#ask('discard', { ids: lines.map(({ id }) => String(id)) });
  }

  /** As the web page's project browser asks. */
  browse(path: string, q?: string): Promise<BrowsedFolder> {
    return this.#ask('browse', { path, offset: 0, limit: 3, ...(q === undefined ? {} : { q }) });
  }

  /** Lists a folder anew. */
  refresh(path = ''): Promise<unknown> {
    return this.#ask('refresh', { path });
  }

  /** Ends it as a crash does; resolves when it is gone. */
  async kill(): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`));
  }

  get #record() {
    const record = new StateFolder(this.#installation.state).mount(this.#mnt);
    if (!record) throw new Error('nothing is mounted');
    return record;
  }

  #ask<T>(method: string, parameters: Record<string, unknown>): Promise<T> {
    return askDaemon<T>(this.#record.socket, method, { mountpoint: this.#mnt, ...parameters });
  }
}
