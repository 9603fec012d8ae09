import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { filesOutsideSecrets, hostileApi, ProcessWatch } from '../support/leaks.js';
import { Installation, type Ran } from '../support/mounted.js';
import { browse, decide, loginProxy } from '../support/sign-in.js';
import { simulator } from '../support/simulator.js';
import { addWords, Waiting } from '../support/waiting.js';

t.test('no secret is to be found outside the folder of secrets', async (t) => {
  const server = await simulator(t, { items: 20, fileSize: 1000, spike: 1000 });
  const login = await loginProxy(t, server.ready.login);
  const api = await hostileApi(t, server.ready.api);
  const through = { ready: { ...server.ready, login: login.url, api: api.url } };
  const { client_secret } = server.ready;
  const installation = new Installation(t);
  const trace = ['--log-level', 'trace'];
  const environment = { PROCOREFS_LOG_LEVEL: 'trace' };
  const secrets = new Set([client_secret]);
  const said: string[] = [];
  const note = (ran: Ran): Ran => {
    said.push(ran.stdout, ran.stderr);
    return ran;
  };
  const gather = (): void => {
    for (const grant of login.grants)
      for (const name of ['code', 'refresh_token', 'code_verifier', 'client_secret'])
        if (grant[name]) secrets.add(grant[name]);
    const folder = join(installation.state, 'secrets');
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      if (!name.endsWith('.tokens')) continue;
      const { access_token, refresh_token } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      for (const token of [access_token, refresh_token]) if (token) secrets.add(token);
    }
  };
  const procorefs = async (...words: string[]): Promise<Ran> => {
    const ran = note(
      await installation.procorefs([...words, ...trace], {
        env: { ...installation.environment, ...environment },
        fresh: true,
      }),
    );
    gather();
    return ran;
  };
  const bin = join(installation.folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'xdg-open'), '#!/bin/sh\nexec sleep 0.5\n');
  chmodSync(join(bin, 'xdg-open'), 0o755);
  const watch = new ProcessWatch();
  t.teardown(() => watch.stop());

  const byBrowser = async (words: string[], input: string): Promise<Ran> => {
    const waiting = new Waiting(installation, [...words, ...trace], {
      ...environment,
      PATH: `${bin}:${process.env.PATH}`,
    });
    waiting.child.stdin!.end(input);
    const page = await browse(await waiting.address());
    said.push(await page.text());
    const ran = note(await waiting.ended);
    gather();
    return ran;
  };
  const person = ['--grant', 'authorization-code'];
  t.equal((await byBrowser(addWords(through, 'Site', ...person), client_secret)).code, 0);

  // A sign-in whose refusal echoes everything that was sent.
  const echo = () => {
    const grant = login.grants.at(-1) ?? {};
    return JSON.stringify({ error: 'invalid_grant', error_description: Object.values(grant).join(' ') });
  };
  const mistyped = new Waiting(
    installation,
    [...addWords(through, 'No', ...person, '--no-browser'), ...trace],
    environment,
  );
  mistyped.child.stdin!.write(`${client_secret}\n`);
  const { code } = await decide(await mistyped.address());
  secrets.add(code!);
  login.fates.push({
    status: 400,
    get body() {
      return echo();
    },
  });
  mistyped.child.stdin!.end(`${code}\n`);
  t.match(note(await mistyped.ended), { code: 1, stderr: /invalid_grant.*\[secret\]/ });

  // A mount, calls whose errors echo the token, and redirects to another host.
  const mnt = installation.mountpoint();
  const mounted = await procorefs('mount', `Site:${server.ready.projects[0]!.id}`, mnt, '-o', 'poll=1');
  t.equal(mounted.code, 0, mounted.stderr);
  await installation.crawled(mnt);
  const polled = async () => {
    while (api.next.length > 0) await sleep(50);
  };
  api.next.push('echo-400', 'redirect', 'echo-500', 'echo-401');
  await polled();
  await installation.must(['umount', mnt]);
  for (const how of ['echo-400', 'redirect', 'echo-401'] as const) {
    api.next.push(how, how);
    const ran = await procorefs('connections', 'test', 'Site');
    if (how !== 'echo-401') t.equal(ran.code, 1, `${how}: ${ran.stderr}`);
    api.next.length = 0;
  }
  t.match(said.join('\n'), /you sent Bearer \[secret\]/, 'the server did echo the token');

  // A refresh that is refused with an echo, a new sign-in, and the end.
  login.fates.push({
    status: 400,
    get body() {
      return echo();
    },
  });
  api.next.push('echo-401');
  t.match(await procorefs('connections', 'test', 'Site'), { code: 1, stderr: /signed out/ });
  t.equal((await byBrowser(['connections', 'login', 'Site'], '')).code, 0);
  for (const words of [['list'], ['show', 'Site'], ['list', '--json'], ['show', 'Site', '--json']])
    await procorefs('connections', ...words);
  gather();
  const inState = filesOutsideSecrets(installation.state);
  await procorefs('connections', 'remove', 'Site');
  watch.stop();

  t.ok(secrets.size >= 10, `${secrets.size} secrets were about`);
  t.ok(
    inState.some(({ path, text }) => path.startsWith('log/') && text.includes('API call')),
    'the log is verbose',
  );
  t.ok(
    [...watch.seen].some((text) => text.includes('connections\0add')) && watch.seen.size > 10,
    'processes were seen',
  );
  const places = [
    ...inState.map(({ path, text }) => ({ where: path, text })),
    ...said.map((text) => ({ where: `said: ${text}`, text })),
    ...[...watch.seen].map((text) => ({ where: `process: ${text.slice(0, 200)}`, text })),
  ];
  const leaks = places.filter(({ text }) => [...secrets].some((secret) => text.includes(secret)));
  t.strictSame(
    leaks.map(({ where }) => where),
    [],
  );
  t.strictSame(api.elsewhere, [], 'no call went along a redirect');
  t.equal(statSync(installation.state).mode & 0o777, 0o700);
  for (const folder of ['secrets', 'connections', 'log'])
    for (const name of readdirSync(join(installation.state, folder)))
      t.equal(statSync(join(installation.state, folder, name)).mode & 0o077, 0, `${folder}/${name}`);
});
