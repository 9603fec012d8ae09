import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Installation, kill, MAIN, type Ran } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { browse, decide, loginProxy, NOBODY } from '../support/sign-in.js';
import { simulator } from '../support/simulator.js';
import { addWords, Waiting } from '../support/waiting.js';

const person = ['--grant', 'authorization-code'];

t.test('an account is added, tested, signed in again and removed', async (t) => {
  const server = await simulator(t, { items: 5, projects: 2, spike: 1000 });
  const { client_secret } = server.ready;
  const installation = new Installation(t);
  const show = async (name: string) => JSON.parse(await installation.must(['connections', 'show', name, '--json']));

  const signIn = async (words: string[], input: string): Promise<Ran> => {
    const waiting = new Waiting(installation, words);
    waiting.child.stdin!.end(input);
    const page = await browse(await waiting.address());
    t.equal(page.status, 200);
    return waiting.ended;
  };

  await t.test('in the browser that comes back', async (t) => {
    // A browser that notes what it was asked to open.
    const bin = join(installation.folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'xdg-open'), `#!/bin/sh\necho "$1" > ${installation.folder}/opened\n`);
    chmodSync(join(bin, 'xdg-open'), 0o755);
    const path = { PATH: `${bin}:${process.env.PATH}` };
    const waiting = new Waiting(installation, addWords(server, 'Site', ...person), path);
    waiting.child.stdin!.end(client_secret);
    const shown = await waiting.address();
    // The browser goes on by itself.
    const file = join(installation.folder, 'opened');
    await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    const opened = readFileSync(file, 'utf8').trim();
    t.match(opened, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}$/, 'what is in a command line is for all users to see');
    const first = await fetch(opened, { redirect: 'manual' });
    t.equal(first.headers.get('location'), shown, 'it leads to the page');
    t.equal((await browse(shown)).status, 200);
    const { code, stdout, stderr } = await waiting.ended;
    t.equal(code, 0, stderr);
    t.match(stdout, /^Connection test succeeded: "Site"\nsigned in as Alex Admin \(.+\), company /);
    t.match(stdout, `through the app ${server.ready.client_id}`);
    t.match(stdout, /2 projects:\nID +DOCUMENTS +NAME\n\d+ +write/);
    t.match(stdout, /advice: .*whose name contains "procorefs"/);
    t.match(stderr, /not known as Procore's/, 'it warns before the secret goes to a strange host');
    t.match(await show('Site'), { grant: 'authorization-code', signIn: 'yes', account: { name: 'Alex Admin' } });
    const secrets = join(installation.state, 'secrets');
    t.equal(statSync(secrets).mode & 0o777, 0o700);
    for (const file of readdirSync(secrets)) t.equal(statSync(join(secrets, file)).mode & 0o777, 0o600, file);
  });

  await t.test('a sign-in that somebody else has opened ends where a person sees it', async (t) => {
    const path = { PATH: `${join(installation.folder, 'bin')}:${process.env.PATH}` };
    const file = join(installation.folder, 'opened');
    rmSync(file);
    const waiting = new Waiting(installation, addWords(server, 'Taken', ...person), path);
    waiting.child.stdin!.end(client_secret);
    await waiting.address();
    await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    const opened = readFileSync(file, 'utf8').trim();
    t.equal((await fetch(`${opened}x`, { redirect: 'manual' })).status, 404);
    t.equal((await fetch(opened, { method: 'HEAD', redirect: 'manual' })).status, 404);
    const other = await fetch(opened, { redirect: 'manual' });
    t.equal(other.status, 303);
    const browser = await fetch(opened, { redirect: 'manual' });
    t.equal(browser.status, 410);
    t.match(await browser.text(), /not signed in/);
    const { code, stderr } = await waiting.ended;
    t.equal(code, 1);
    t.match(stderr, /opened twice: another user of this machine may have been first; try again/);
  });

  await t.test('by a code, on a machine without a browser', async (t) => {
    const waiting = new Waiting(installation, addWords(server, 'Headless', ...person, '--no-browser', '--json'));
    waiting.child.stdin!.write(`${client_secret}\n`);
    const { code } = await decide(await waiting.address());
    waiting.child.stdin!.write(`${code}\n`);
    const ran = await waiting.ended;
    t.equal(ran.code, 0, ran.stderr);
    t.match(JSON.parse(ran.stdout), { connection: 'Headless', account: { name: 'Alex Admin' }, advice: String });
  });

  await t.test('what is refused leaves nothing behind', async (t) => {
    const list = async () => JSON.parse(await installation.must(['connections', 'list', '--json'])) as unknown[];
    const before = (await list()).length;
    const secret = client_secret;
    const fresh = addWords(server, 'New');
    const noSecret = fresh.filter((word) => word !== '-' && word !== '--client-secret-file');
    const prompt = ['connections', 'add', 'New', '--client-id', 'x', '--client-secret-file', 'prompt'];
    const cases: [words: string[], input: string, code: number, says: RegExp][] = [
      [addWords(server, 'Site', ...person), secret, 1, /there is a connection "Site" already; choose another name/],
      [
        [...fresh, ...person, '--no-browser'],
        `${secret}\nmistyped\n`,
        1,
        /did not accept the .* code.*can be used once/,
      ],
      [[...fresh, ...person, '--no-browser'], secret, 2, /no authorization code was given/],
      [[...fresh, '--grant', 'password'], secret, 2, /--grant password/],
      [[...fresh, '--port', '99999', ...person], secret, 2, /no port/],
      [[...fresh, ...person, '--timeout', '1'], secret, 1, /nobody signed in within 1 s; try again/],
      [noSecret, '', 2, /--client-secret-file is missing/],
      [prompt, '', 2, /no terminal to ask at/],
      [['connections', 'add', 'New'], '', 1, /no default client: default_client is not set.*an app with --client-id/],
    ];
    for (const [words, input, code, says] of cases) {
      const { NODE_OPTIONS: _, ...env } = installation.environment;
      // A session of its own has no terminal.
      const child = spawn('setsid', ['-w', process.execPath, MAIN, ...words], {
        env: { ...env, PATH: '/usr/bin:/bin' },
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const ended = await new Promise((resolve) => child.once('close', resolve));
      t.equal(ended, code, `${words.join(' ')}: ${stderr}`);
      t.match(stderr, says);
    }
    t.equal((await list()).length, before);
  });

  await t.test('Ctrl-C ends the wait', async (t) => {
    const waiting = new Waiting(installation, addWords(server, 'New', ...person));
    waiting.child.stdin!.end(client_secret);
    const address = await waiting.address();
    waiting.child.kill('SIGINT');
    t.match(await waiting.ended, { code: 1, stderr: /the operation was interrupted/ });
    await t.rejects(fetch(new URL(address).searchParams.get('redirect_uri')!));
  });

  await t.test('signing in again keeps the id', async (t) => {
    const { id } = await show('Site');
    await server.admin.expire({ revoke: true });
    const failed = await installation.procorefs(['connections', 'test', 'Site']);
    t.equal(failed.code, 1);
    t.match(failed.stderr, /connection "Site" is signed out: .+; run `procorefs connections login Site`/);
    t.match(await show('Site'), { signIn: /^no: the server/ });
    const ran = await signIn(['connections', 'login', 'Site'], '');
    t.equal(ran.code, 0, ran.stderr);
    t.match(ran.stdout, /Connection test succeeded/);
    t.equal((await show('Site')).id, id);
  });

  await t.test('removing ends the sign-in at the server, or says that it could not', async (t) => {
    const file = join(installation.state, 'secrets', `${(await show('Site')).id}.tokens`);
    const { access_token } = JSON.parse(readFileSync(file, 'utf8'));
    t.match(await installation.must(['connections', 'remove', 'Site']), /removed "Site", and ended its sign-in/);
    t.notOk(existsSync(file));
    const info = await fetch(`${server.ready.login}/oauth/token/info`, {
      headers: { authorization: `Bearer ${access_token}` },
    });
    t.equal(info.status, 401);

    const proxy = await loginProxy(t, server.ready.login);
    const through = { ready: { ...server.ready, login: proxy.url } };
    await signIn(addWords(through, 'Lonely', ...person), client_secret);
    const { signIn: _, ...fields } = await show('Lonely');
    const loginUrl = NOBODY;
    writeFileSync(
      join(installation.state, 'connections', `${fields.id}.json`),
      JSON.stringify({ ...fields, loginUrl }),
    );
    const ran = await installation.procorefs(['connections', 'remove', 'Lonely']);
    t.equal(ran.code, 0);
    t.match(ran.stderr, `${loginUrl.slice(7)} did not end the sign-in: ECONNREFUSED; disconnect the app`);
  });

  await t.test('a service account gets a new secret by login', async (t) => {
    await installation.must(addWords(server, 'Robot'), { input: client_secret });
    const login = ['connections', 'login', 'Robot', '--client-secret-file', '-'];
    const bad = await installation.procorefs(login, { input: 'not-the-secret' });
    t.match(bad, { code: 1, stderr: /refused the sign-in of "Robot"/ });
    t.match(await installation.must(['connections', 'test', 'Robot']), /succeeded/, 'the one that works is kept');
    t.match(await installation.must(login, { input: client_secret }), /succeeded/);
  });
});

t.test('the installation’s default client', async (t) => {
  const { ready } = await simulator(t, { items: 1 });
  const installation = new Installation(t);
  const words = ['connections', 'add', '--api', ready.api, '--company', String(ready.company_id)];
  const secretFile = join(installation.folder, 'secret');
  const config = join(installation.state, 'config.json');
  mkdirSync(installation.state, { mode: 0o700 });
  writeFileSync(secretFile, `${ready.client_secret}\n`, { mode: 0o600 });
  const set = { client_id: ready.client_id, client_secret_file: secretFile, domain: ready.login };
  writeFileSync(config, JSON.stringify({ default_client: set }));
  t.match(await installation.must(words), /Connection test succeeded: "Procore"/);
  t.match(await installation.must(['connections', 'show', 'Procore']), /\(the default client\)/);
  t.notOk(existsSync(join(installation.state, 'secrets')), 'its secret is kept nowhere else');

  writeFileSync(config, JSON.stringify({ default_client: { ...set, client_id: 'another' } }));
  const changed = await installation.procorefs(['connections', 'test', 'Procore']);
  t.match(changed.stderr, /default client is another one now/);
});

t.test('the secret is asked for at the terminal, unseen', async (t) => {
  const server = await simulator(t, { items: 1 });
  const installation = new Installation(t);
  const words = addWords(server, 'Typed').map((word) => (word === '-' ? 'prompt' : word));
  const { NODE_OPTIONS: _, ...env } = installation.environment;
  const child = spawn('script', ['-qefc', [process.execPath, MAIN, ...words].join(' '), '/dev/null'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => kill(child));
  let seen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
    if (/client secret: $/.test(seen)) child.stdin.write(`wrong\x15${server.ready.client_secret}x\x7f\r`);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  t.equal(code, 0, seen);
  t.match(seen, /Connection test succeeded: "Typed"/);
  t.notOk(seen.includes(server.ready.client_secret));
});
