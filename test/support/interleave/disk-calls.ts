import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

type Call = (...words: unknown[]) => unknown;

/** Those that name an item. */
const CALLS = ['chmod', 'lstat', 'mkdir', 'open', 'readdir', 'rename', 'rmdir', 'unlink', 'utimes'] as const;

/** Something may happen just before this process asks the disk for anything by a path. */
export function beforeDiskCalls(
  t: { teardown(cleanup: () => unknown): unknown },
  happens: (path: string) => void,
): void {
  const all = fs as unknown as Record<string, Call>;
  const own = CALLS.map((name) => [name, all[name]!] as const);
  for (const [name, call] of own)
    all[name] = (...words) => {
      happens(String(words[0]));
      return call(...words);
    };
  syncBuiltinESMExports();
  t.teardown(() => {
    for (const [name, call] of own) all[name] = call;
    syncBuiltinESMExports();
  });
}
