import type { RemoteId } from '../../base/ids.js';
import { fitsLinux, linuxNames, suffixedName } from '../../names/linux.js';

/** The names in use in a folder. */
export interface NameTable {
  /** The remote id of the visible item with this shown name, or undefined. */
  holder(parentId: RemoteId, name: string): RemoteId | undefined;
}

/**
 * The name under which an item is shown: its own, encoded; with ` (id)` if that is too long for Linux or another item
 * of the folder has it. A shown name is stable: the caller keeps it in the row while the remote name stays.
 */
export function allocateName(table: NameTable, parentId: RemoteId, remoteName: string, id: RemoteId): string {
  const encoded = linuxNames.encode(remoteName);
  const plain = fitsLinux(encoded) ? encoded : suffixedName(encoded, id);
  const holder = table.holder(parentId, plain);
  if (holder === undefined || holder === id) return plain;
  // A file may really be called "plan (12).pdf": repeat the suffix until it is free.
  let name = plain;
  for (;;) {
    name = suffixedName(name, id);
    const other = table.holder(parentId, name);
    if (other === undefined || other === id) return name;
  }
}
