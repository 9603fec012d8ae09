import { lstatSync, readdirSync, type Stats } from 'node:fs';
import type { Contents } from '../content/contents.js';
import { Flag } from '../store/flag.js';
import { type ItemStore, ROOT_ROW } from '../store/items.js';

/**
 * Adds the files and folders below `directory` to the project, without reading the files. Symbolic links and devices
 * are skipped; a folder below that cannot be read is empty. Bytes of a name that are not UTF-8 become U+FFFD. Throws
 * the file system's error if `directory` itself cannot be read. Synchronous, since this is several times as fast and no
 * request is served yet.
 */
export function addFolder(store: ItemStore, contents: Contents, directory: string): void {
  const waiting: { path: Buffer; row: number }[] = [{ path: Buffer.from(directory), row: ROOT_ROW }];
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    for (const name of namesIn(at.path, at.row === ROOT_ROW)) {
      const path = Buffer.concat([at.path, Buffer.from('/'), name]);
      const info = infoOf(path);
      if (!info?.isFile() && !info?.isDirectory()) continue;
      const seconds = Math.max(0, Math.floor(info.mtimeMs / 1000));
      const times = { createdAt: seconds, updatedAt: seconds, by: 1 };
      const flags = info.isDirectory() ? Flag.folder : 0;
      const row = store.add({ parent: at.row, name: name.toString(), flags, ...times });
      if (info.isDirectory()) waiting.push({ path, row });
      else store.addVersion(row, info.size, seconds, 1, contents.add({ file: path, size: info.size }));
    }
  }
}

function namesIn(path: Buffer, mustBeReadable: boolean): Buffer[] {
  try {
    return readdirSync(path, 'buffer').sort(Buffer.compare);
  } catch (error) {
    if (mustBeReadable) throw error;
    return [];
  }
}

/** Undefined if the entry no longer exists. */
function infoOf(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
