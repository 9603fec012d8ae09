import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SimulatedProject } from '../project.js';
import { Flag } from '../store/flag.js';
import { ROOT_ROW } from '../store/items.js';
import type { World } from '../world.js';

const BATCH = 500;

/**
 * The project as a JSON array in pieces: `{"id","path","type","size","sha256","versions"}`, parents before children,
 * without the root, the recycle bin and its content; `"hidden"` marks items that the account may not see. Without
 * `hash`, `sha256` is omitted, since it is slow for generated content. With `all`, includes deleted items (`"deleted"`)
 * and `"history"`: the SHA-256 of every version, newest first.
 */
export async function* treeJson(
  world: World,
  project: SimulatedProject,
  { hash, all }: { readonly hash: boolean; readonly all: boolean },
): AsyncGenerator<Buffer> {
  const { store, ids } = project;
  const sha256 = (version: number): Promise<string> => world.contents.sha256(project.index, store, version);
  const left = all ? Flag.bin : Flag.deleted | Flag.bin;
  const rows = store.subtree(ROOT_ROW, undefined, (row) => !store.has(row, left));
  let text = '[';
  for (let i = 1; i < rows.length; i++) {
    const row = rows[i]!;
    const version = store.version.get(row);
    const versions = version < 0 ? 0 : store.versionNumber.get(version);
    const entry = {
      id: ids.item(row),
      path: store.path(row),
      type: version < 0 ? 'folder' : 'file',
      size: version < 0 ? 0 : store.versionSize.get(version),
      ...(hash ? { sha256: version < 0 ? null : await sha256(version) } : {}),
      versions,
      ...(store.has(row, Flag.hidden) ? { hidden: true } : {}),
      ...(all
        ? {
            deleted: store.has(row, Flag.deleted | Flag.binned),
            history: version < 0 ? [] : await Promise.all([...store.versionsOf(row)].map(sha256)),
          }
        : {}),
    };
    if (hash) await nextTurn();
    text += `${i > 1 ? ',\n' : ''}${JSON.stringify(entry)}`;
    if (i % BATCH === 0) {
      yield Buffer.from(text);
      text = '';
    }
  }
  yield Buffer.from(`${text}]`);
}
