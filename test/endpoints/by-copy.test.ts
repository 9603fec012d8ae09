import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import type { SshHost } from '#src/endpoints/rsync/host.js';
import { RsyncStorage } from '#src/endpoints/rsync/storage.js';
import { temporaryIn } from '#src/endpoints/temporary.js';

const state = mkdtempSync(join(tmpdir(), 'procorefs-by-copy-'));
t.teardown(() => rmSync(state, { recursive: true }));

/** A server that sends one file; `sent` is called when it is here. */
const storage = (sent: () => void): RsyncStorage =>
  new RsyncStorage(
    {
      shown: 'server',
      source: 'server:/',
      rsync: async (words: readonly string[]) => {
        writeFileSync(join(words.at(-1)!, 'file'), 'content');
        sent();
        return '';
      },
    } as unknown as SshHost,
    temporaryIn(state),
  );

const copies = (): string[] => readdirSync(join(state, 'temporary'));

t.test('a read that is ended while its copy is opened ends, and nothing else does', async (t) => {
  const ended = new AbortController();
  const reason = new Failure('interrupted');
  const cut = storage(() => void setImmediate(() => ended.abort(reason)));
  await t.rejects(cut.open('file', 0, ended.signal), { code: 'interrupted' });
  const stream = await storage(() => undefined).open('file', 3, new AbortController().signal);
  t.equal(await text(stream), 'tent');
  t.strictSame(copies(), []);
});
