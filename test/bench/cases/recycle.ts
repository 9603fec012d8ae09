import { type NodeId, ROOT_NODE } from '#src/base/ids.js';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import { context, openProject } from '../../support/project.js';
import { atMost, type Case } from '../case.js';

const ITEMS = 100_000;
const DELETED = 20_000;
const BATCH = 2000;

/** The recycle bin of a project: many files that were deleted one by one, beside folders with many more in them. */
export const recycle: Case = {
  name: 'recycle',
  async run(scope, say) {
    const { project, simulator, fileSystem } = await openProject(scope, { items: ITEMS, shape: 'wide' });
    const { admin } = simulator;
    const { signal } = new AbortController();
    while (!project.mirror.view.crawlDone) await new Promise((resolve) => setTimeout(resolve, 100));
    await admin.change({ op: 'create', path: 'many/' });
    await admin.change({ op: 'create', path: 'many/file #.txt', count: DELETED });
    const tops = (await admin.tree({ hash: false })).filter(
      ({ type, path }) => type === 'folder' && !/\/|^many$|^Schedules$/.test(path),
    );
    const changes: AdminChange[] = [
      ...tops.map(({ path }) => ({ op: 'delete', path })),
      ...Array.from({ length: DELETED }, (_, n) => ({ op: 'delete', path: `many/file ${n + 1}.txt` })),
    ];
    for (let n = 0; n < changes.length; n += BATCH) await admin.changes(changes.slice(n, n + BATCH));
    await project.mirror.sweepNow('interactive', signal);

    const node = async (parent: NodeId, name: string): Promise<NodeId> => {
      const found = await fileSystem.lookup(parent, name, context);
      if (found.node === undefined) throw new Error(`${name} is missing`);
      return found.node;
    };
    const bin = await node(await node(ROOT_NODE, '.procore'), 'recycle');
    await admin.reset();
    const { handle } = await fileSystem.opendir(bin, context);
    const pages: number[] = [];
    const began = performance.now();
    let entries = 0;
    for (let cookie = 0; ; ) {
      const asked = performance.now();
      const page = await fileSystem.readdir(bin, handle, cookie, 140, context);
      pages.push(performance.now() - asked);
      entries += page.entries.length;
      cookie = page.entries.at(-1)?.cookie ?? cookie;
      await new Promise((resolve) => setImmediate(resolve));
      if (page.end) break;
    }
    const took = performance.now() - began;
    pages.sort((a, b) => a - b);
    const at = (part: number): number => pages[Math.floor(part * (pages.length - 1))]!;
    say(`${entries} entries of ${ITEMS} deleted items in ${(took / 1000).toFixed(1)} s`);
    return [
      atMost('calls for a listing of the bin', 1, 'call', (await admin.calls()).total),
      atMost(
        '99 % of the pages of the listing within',
        20,
        'ms',
        at(0.99),
        `half within ${at(0.5).toFixed(1)}, most ${at(1).toFixed(0)}`,
      ),
      atMost('time an entry of the bin', 1, 'ms', took / entries),
    ];
  },
};
