import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { filesOutsideSecrets, ProcessWatch } from '../support/leaks.js';
import { Installation } from '../support/mounted.js';
import { ServerFolder, serveWebdav } from '../support/target-servers.js';

t.test('a target is a connection: added, tested, shown and removed like an account', async (t) => {
  const installation = new Installation(t);
  const share = join(installation.folder, 'share');
  mkdirSync(share);
  const added = await installation.procorefs(['connections', 'add', 'share', '--platform', 'fs', '--uri', share]);
  t.equal(added.code, 0, added.stderr);
  t.match(added.stdout, /^Connection test succeeded: "share"\nwhere +.*share\n.*writable +yes/s);
  t.strictSame(readdirSync(share), [], 'the test leaves nothing behind');
  const { stdout } = await installation.procorefs(['connections', 'list', '--json']);
  t.match(JSON.parse(stdout), [{ name: 'share', platform: 'fs', uri: share, mountpoint: String }]);
  const shown = await installation.procorefs(['connections', 'show', 'share']);
  t.match(shown.stdout, /^platform +fs$/m);
  const tested = await installation.procorefs(['connections', 'test', 'share', '--json']);
  t.match(JSON.parse(tested.stdout), { writable: true, rules: { resumes: true, platform: 'linux' }, free: Number });
  const asProject = await installation.procorefs(['projects', 'share']);
  t.equal(asProject.code, 1);
  t.match(asProject.stderr, /^procorefs: the connection "share" is a target \(fs\), not an account at Procore; .*\n$/);
  t.equal((await installation.procorefs(['connections', 'remove', 'share'])).code, 0);
  t.strictSame(JSON.parse((await installation.procorefs(['connections', 'list', '--json'])).stdout), []);
});

t.test('a password is seen by nobody, and what does not work is not kept', async (t) => {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const server = await serveWebdav(folder);
  t.teardown(() => server.kill());
  const installation = new Installation(t);
  const [right, wrong] = [join(installation.folder, 'right'), join(installation.folder, 'wrong')];
  writeFileSync(right, 'secret word\n');
  writeFileSync(wrong, 'another word\n');
  const watch = new ProcessWatch();
  t.teardown(() => watch.stop());
  const add = (file: string, uri = `http://127.0.0.1:${server.port}`) => [
    ...['connections', 'add', 'dav', '--platform', 'webdav', '--uri', uri],
    ...['--username', 'procorefs', '--password-file', file],
  ];
  const refused = await installation.procorefs(add(wrong));
  t.equal(refused.code, 1);
  t.match(refused.stderr, /^procorefs: webdav: refuses the sign-in of the account: .*; sign in again .*\n$/);
  t.strictSame(readdirSync(join(installation.state, 'connections')), [], 'nothing is kept of it');
  t.strictSame(readdirSync(join(installation.state, 'secrets')), []);
  const added = await installation.procorefs(add(right));
  t.equal(added.code, 0, added.stderr);
  t.match(added.stdout, /^Connection test succeeded: "dav"/);
  const [secret] = readdirSync(join(installation.state, 'secrets'));
  t.equal(statSync(join(installation.state, 'secrets', secret!)).mode & 0o777, 0o600);
  const relogin = await installation.procorefs(['connections', 'login', 'dav', '--password-file', wrong]);
  t.equal(relogin.code, 1);
  t.equal((await installation.procorefs(['connections', 'test', 'dav'])).code, 0, 'the password that works stays');
  await server.kill();
  const gone = await installation.procorefs(['connections', 'test', 'dav']);
  t.equal(gone.code, 1);
  t.match(gone.stderr, /^procorefs: webdav: cannot be reached: .*; jobs wait .*\n$/);
  const said = [added, refused, relogin, gone].map(({ stdout, stderr }) => stdout + stderr).join('');
  watch.stop();
  for (const word of ['secret word', 'another word']) {
    t.notOk(said.includes(word), 'not printed');
    // The test's own server has it in its environment.
    const lines = [...watch.seen].filter((line) => line.startsWith('cmdline'));
    t.ok(lines.length > 0 && !lines.some((line) => line.includes(word)), 'not in a command line');
    for (const { path, text } of filesOutsideSecrets(installation.state))
      t.notOk(text.includes(word), `not in ${path}`);
  }
});

t.test('wrong words are told from targets that do not answer', async (t) => {
  const installation = new Installation(t);
  const usage: [readonly string[], RegExp][] = [
    [['--platform', 'webdav'], /--uri is missing/],
    [['--platform', 'webdav', '--uri', 'ftp://x'], /no http or https address/],
    [['--platform', 'local', '--uri', '/'], /use the platform fs/],
    [['--platform', 'nfs', '--uri', '/'], /no share is mounted at \//],
    [['--platform', '../x', '--uri', '/'], /no platform/],
    [['--platform', 'fs', '--uri', '/tmp', '--option', 'x'], /is not KEY=VALUE/],
    [['--platform', 'fs', '--uri', '/tmp', '--password-file', '/none'], /no password can be read/],
  ];
  for (const [words, message] of usage) {
    const ran = await installation.procorefs(['connections', 'add', 'x', ...words]);
    t.equal(ran.code, 2, words.join(' '));
    t.match(ran.stderr, message);
  }
  const missing = await installation.procorefs(['connections', 'add', 'x', '--platform', 'fs', '--uri', '/none/such']);
  t.equal(missing.code, 1);
  t.match(missing.stderr, /^procorefs: there is no folder on \/none\/such/);
  t.strictSame(JSON.parse((await installation.procorefs(['connections', 'list', '--json'])).stdout), []);
});

t.test('two platforms are compared row by row', async (t) => {
  const installation = new Installation(t);
  const { stdout } = await installation.procorefs(['compare', 'procore', 'onedrive', '--json']);
  const { rows } = JSON.parse(stdout) as { rows: { feature: string; verdict: string; source: string }[] };
  const verdict = (feature: string) => rows.find((row) => row.feature === feature)?.verdict;
  for (const feature of ['invalid characters', 'path length', 'segment length', 'file size', 'restricted types'])
    t.ok(verdict(feature), feature);
  for (const feature of ['versions', 'time stamps', 'authors', 'locks', 'permissions', 'metadata'])
    t.ok(verdict(feature), feature);
  t.equal(verdict('file size'), 'not compatible');
  t.equal(verdict('path length'), 'compatible');
  t.equal(verdict('authors'), 'not applicable');
  const people = await installation.procorefs(['compare', 'fs', 's3']);
  t.match(people.stdout, /^FEATURE .*\n/);
  t.match(people.stdout, /^path length +not compatible +no limit +1024 bytes$/m);
  t.match(people.stdout, /^file size +not compatible +no limit +5 TiB$/m);
  t.equal((await installation.procorefs(['compare', 'fs', 'abacus'])).code, 2);
});
