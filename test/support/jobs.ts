import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { silentLog } from '#src/base/log.js';
import { openTarget } from '#src/endpoints/open.js';
import { type JobBody, parseJobBody } from '#src/jobs/definition/job-schema.js';
import { TargetEndpoint } from '#src/jobs/endpoint.js';
import { JobEngine } from '#src/jobs/engine.js';
import type { EngineOptions } from '#src/jobs/engine-options.js';
import type { Opener } from '#src/jobs/opener.js';
import type { Execution } from '#src/jobs/store/executions.js';
import { JobStore, type RunOptions } from '#src/jobs/store/job-store.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** `path` → content; a path that ends in `/` is an empty folder. */
export type Files = Readonly<Record<string, string>>;

/** Puts files into a folder, beside what is there. All get one old time unless told. */
export function put(folder: string, files: Files, mtime = 1_600_000_000): void {
  for (const [path, content] of Object.entries(files)) {
    const full = join(folder, path);
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true });
    if (path.endsWith('/')) continue;
    writeFileSync(full, content);
    utimesSync(full, mtime, mtime);
  }
}

/** What is in a folder, the trash left out. */
export function contentOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    if (path.startsWith('.procorefs-trash')) continue;
    const full = join(folder, path);
    if (statSync(full).isDirectory()) {
      if (readdirSync(full).length === 0) found[`${path}/`] = '';
    } else found[path] = readFileSync(full, 'utf8');
  }
  return found;
}

/** Contents of the trash, in order; the notes beside the days' folders left out. */
export function trashOf(folder: string): string[] {
  const trash = join(folder, '.procorefs-trash');
  try {
    return (readdirSync(trash, { recursive: true }) as string[])
      .filter((path) => path.includes('/'))
      .map((path) => join(trash, path))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, 'utf8'))
      .sort();
  } catch {
    return [];
  }
}

/** Two folders and an engine that runs jobs between folders. */
export class Folders {
  readonly top = mkdtempSync(join(tmpdir(), 'procorefs-jobs-'));
  readonly a = join(this.top, 'a');
  readonly b = join(this.top, 'b');
  readonly store: JobStore;
  readonly engine: JobEngine;

  constructor(t: Teardown, opener: Opener = folderOpener, more: Pick<EngineOptions, 'parallel' | 'patience'> = {}) {
    for (const folder of [this.a, this.b, join(this.top, 'jobs')]) mkdirSync(folder, { recursive: true });
    this.store = new JobStore(join(this.top, 'jobs', 'jobs.db'));
    this.engine = new JobEngine({
      store: this.store,
      opener,
      folder: join(this.top, 'jobs'),
      log: silentLog,
      patience: { first: 20, longest: 200, whole: 20_000 },
      ...more,
    });
    t.teardown(async () => {
      await this.engine.close();
      this.store.close();
      rmSync(this.top, { recursive: true, force: true });
    });
  }

  /** Defines a job from `a` to `b`. */
  add(transfer: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
    const body: JobBody = parseJobBody({
      name: `job ${this.store.list().length + 1}`,
      transfer: {
        transfer_type: 'copy',
        source: { connection: { id: this.a } },
        destination: { connection: { id: this.b } },
        ...transfer,
      },
      schedule: { mode: 'manual' },
      ...more,
    });
    return this.store.add(body);
  }

  run(id: string, options: RunOptions = {}): Promise<Execution> {
    return this.engine.run(id, 'manual', options);
  }
}

/** Connections are folders. */
export const folderOpener: Opener = {
  async open({ connection, target }, { create, mayWrite, mountedAt, signal }) {
    const path = target.path
      .split('/')
      .filter((part) => part !== '')
      .join('/');
    const options = { path, create, mayWrite, mountedAt, signal };
    return new TargetEndpoint(await openTarget({ platform: 'fs', uri: connection.id }, options));
  },
  place({ connection, target }) {
    return Promise.resolve({
      tree: 'fs',
      path: join(connection.id, target.path).replace(/^\/|\/$/g, ''),
      abilities: { title: 'a folder', keepsVersions: false, setsTimes: true, emptyFolders: true },
    });
  },
};
