import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Installation } from '../support/mounted.js';
import { browse } from '../support/sign-in.js';
import { simulator } from '../support/simulator.js';
import { addWords, Waiting } from '../support/waiting.js';

t.test('a mount that is signed out stays readable, and goes on by itself after a new sign-in', async (t) => {
  const server = await simulator(t, { items: 40, fileSize: 1000 });
  const installation = new Installation(t);
  const signIn = async (words: string[], input = ''): Promise<void> => {
    const waiting = new Waiting(installation, words);
    waiting.child.stdin!.end(input);
    await browse(await waiting.address());
    const { code, stderr } = await waiting.ended;
    t.equal(code, 0, stderr);
  };
  await signIn(addWords(server, 'Site', '--grant', 'authorization-code'), server.ready.client_secret);
  const mnt = installation.mountpoint();
  await installation.must(['mount', `Site:${server.ready.projects[0]!.id}`, mnt, '-o', 'poll=1']);
  await installation.crawled(mnt);
  const until = async (state: string): Promise<void> => {
    while ((await installation.status(mnt)).state !== state) await sleep(100);
  };
  const files = (await server.admin.tree({ hash: false })).filter(({ type }) => type === 'file');
  const [known, other] = files.map(({ path }) => join(mnt, path));
  const content = readFileSync(known!);
  t.equal(content.length, 1000);

  await server.admin.expire({ revoke: true });
  await until('signed-out');
  t.equal(readFileSync(known!).compare(content), 0, 'what is cached is read');
  t.ok(readdirSync(mnt, { recursive: true }).length >= 40, 'the whole tree is listed');
  t.equal(readFileSync(other!).length, 1000, 'signed URLs need no sign-in');
  const before = await server.admin.calls();
  await sleep(2500);
  const after = await server.admin.calls();
  t.equal(after.total, before.total, 'no call is spent on asking again');
  t.equal(after.login, before.login, 'nor is the login host asked');

  await signIn(['connections', 'login', 'Site']);
  await server.admin.change({ op: 'create', path: 'after the sign-in.txt', content: 'new' });
  await until('ready');
  for (;;) {
    if (readdirSync(mnt).includes('after the sign-in.txt')) break;
    await sleep(100);
  }
  t.equal(readFileSync(join(mnt, 'after the sign-in.txt'), 'utf8'), 'new');
});
