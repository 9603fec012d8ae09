import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test as T } from 'tap';

/** The databases of a project whose names begin so: a copy of now that takes their place later, as after a power cut. */
export function olderCopy(t: T, folder: string, start: string): { take(): void; putBack(): void } {
  const copy = mkdtempSync(join(tmpdir(), 'procorefs-older-'));
  t.teardown(() => rmSync(copy, { recursive: true }));
  const names = (): string[] => readdirSync(folder).filter((name) => name.startsWith(start));
  return {
    take() {
      t.not(names().length, 0);
      for (const name of names()) copyFileSync(join(folder, name), join(copy, name));
    },
    putBack() {
      for (const name of names()) rmSync(join(folder, name));
      for (const name of readdirSync(copy)) copyFileSync(join(copy, name), join(folder, name));
    },
  };
}
