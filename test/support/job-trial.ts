import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '#src/base/errors.js';
import type { TargetRules } from '#src/endpoints/target.js';
import type { Endpoint, EndpointItem } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import type { Execution } from '#src/jobs/store/executions.js';
import type { RunOptions } from '#src/jobs/store/job-store.js';
import { Folders, folderOpener } from './jobs.js';
import { until } from './processes.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** What the two folders of a trial are taken for. */
export interface Disguise {
  /** Of the destination, over the folder's own. */
  readonly rules?: Partial<TargetRules>;
  /** Of items of the source, by path. */
  readonly items?: Readonly<Record<string, Partial<EndpointItem>>>;
  /** Writes at the destination that fail before one succeeds. */
  readonly busy?: number;
  /** Milliseconds that a write at the destination takes at least. */
  readonly slow?: number;
  /** No write at the destination goes on before so many were under way at once. */
  readonly together?: number;
}

/** Folders of which one may have the rules of another platform, so that a key's effect can be seen at no expense. */
export class Trial extends Folders {
  /** Writes at the destination whose bytes were under way at once, at most; and tried in all. */
  readonly writes = { together: 0, most: 0, tried: 0 };

  constructor(t: Teardown, disguise: Disguise = {}) {
    const opener: Opener = {
      ...folderOpener,
      open: async (reference, request) => {
        const side = await folderOpener.open(reference, request);
        return reference.connection.id === this.b ? this.#destination(side, disguise) : sourceOf(side, disguise);
      },
    };
    super(t, opener);
  }

  /** Defines a job and runs it. */
  async ran(transfer: Record<string, unknown>, options: RunOptions = {}): Promise<Execution> {
    return this.run(this.add(transfer).id, options);
  }

  #destination(side: Endpoint, { rules, busy = 0, slow = 0, together = 0 }: Disguise): Endpoint {
    if (rules) Object.defineProperty(side, 'rules', { value: { ...side.rules, ...rules } });
    const { writes } = this;
    const write = side.write.bind(side);
    side.write = async (path, content, options) => {
      if (++writes.tried <= busy) throw new Failure('target-busy', { target: side.root, path });
      writes.most = Math.max(writes.most, ++writes.together);
      let isUnderWay = true;
      const arrived = (): void => {
        if (isUnderWay) writes.together--;
        isUnderWay = false;
        options.arrived?.();
      };
      await until(() => writes.most >= together);
      if (slow > 0) await sleep(slow);
      return write(path, content, { ...options, arrived }).finally(() => {
        if (isUnderWay) writes.together--;
      });
    };
    return side;
  }
}

function sourceOf(side: Endpoint, { items }: Disguise): Endpoint {
  if (!items) return side;
  const list = side.list.bind(side);
  side.list = async function* (folder, signal) {
    for await (const item of list(folder, signal)) yield { ...item, ...items[item.path] };
  };
  const stat = side.stat.bind(side);
  side.stat = async (path, signal) => {
    const item = await stat(path, signal);
    return item && { ...item, ...items[path] };
  };
  return side;
}
