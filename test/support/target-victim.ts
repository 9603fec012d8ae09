import { Readable } from 'node:stream';
import { Secret } from '#src/base/secret.js';
import { openTarget } from '#src/endpoints/open.js';
import type { Content, WriteOptions } from '#src/endpoints/target.js';

/** What the process under `kill -9` writes. */
export const SIZE = 3_000_000;
/** Bytes of it that arrive before it stops. */
export const HALF = 2_000_000;
export const MTIME = 1_700_000_001;

export const victimContent = (opened: number[] = [], end = SIZE): Content => ({
  open: async (start) => {
    opened.push(start);
    return Readable.from(
      (async function* () {
        for (let at = start; at < end; at += 100_000) yield Buffer.alloc(Math.min(100_000, end - at), at / 100_000);
        // The rest never comes.
        if (end < SIZE) await new Promise(() => undefined);
      })(),
      { objectMode: false },
    );
  },
});

export const victimWrite = { size: SIZE, mtime: MTIME, version: '1' } satisfies Omit<WriteOptions, 'signal'>;

export const victimTargets = (webdav: number, smb: number) =>
  [
    { platform: 'webdav', uri: `http://127.0.0.1:${webdav}`, username: 'procorefs' },
    { platform: 'smb', uri: `//127.0.0.1:${smb}/files`, username: 'root' },
  ] as const;

export const openVictim = (definition: ReturnType<typeof victimTargets>[number], state: string, signal: AbortSignal) =>
  openTarget(definition, { mayWrite: true, state, signal, password: new Secret('secret word') });

/** Opens both targets, begins to write a file to each, and says so when half of both is here. */
export async function beVictim(state: string, webdav: number, smb: number): Promise<void> {
  const { signal } = new AbortController();
  const arrived = victimTargets(webdav, smb).map(async (definition) => {
    const target = await openVictim(definition, state, signal);
    await new Promise<void>((half) => {
      const progress = (bytes: number): void => void (bytes >= HALF && half());
      void target.write('file', victimContent([], HALF), { ...victimWrite, progress, signal });
    });
  });
  await Promise.all(arrived);
  process.stdout.write('half\n');
}
