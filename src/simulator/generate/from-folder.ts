import { lstat, readdir } from 'node:fs/promises';
import type { Contents } from '../content/contents.js';
import { Flag, type ItemStore, ROOT_ROW } from '../store/items.js';

/**
 * Adds the files and folders below `directory` to the project, without reading them. Symbolic links are not followed
 * and, like devices, not shown; a folder that may not be read is empty. Bytes of a name that are not UTF-8 become U+FFFD. Rejects with the
 * file system's error if `directory` itself cannot be read.
 */
export async function addFolder(store: ItemStore, contents: Contents, directory: string): Promise<void> {
  const waiting: { path: Buffer; row: number }[] = [{ path: Buffer.from(directory), row: ROOT_ROW }];
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const { path, row } = at;
    const entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' }).catch((error: unknown) => {
      if (row === ROOT_ROW) throw error;
      return [];
    });
    entries.sort((a, b) => Buffer.compare(a.name, b.name));
    for (const entry of entries) {
      if (!entry.isFile() && !entry.isDirectory()) continue;
      const child = Buffer.concat([path, Buffer.from('/'), entry.name]);
      const info = await lstat(child).catch(() => undefined);
      if (!info || (!info.isFile() && !info.isDirectory())) continue;
      const seconds = Math.max(0, Math.floor(info.mtimeMs / 1000));
      const times = { createdAt: seconds, updatedAt: seconds, by: 1 };
      const flags = entry.isDirectory() ? Flag.folder : 0;
      const added = store.add({ parent: row, name: entry.name.toString(), flags, ...times });
      if (entry.isDirectory()) waiting.push({ path: child, row: added });
      else store.addVersion(added, info.size, seconds, 1, contents.add({ file: child, size: info.size }));
    }
  }
}
