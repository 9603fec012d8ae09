import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Connections } from '#src/connections/store.js';
import { CloudServer } from '../support/cloud-server.js';
import { put } from '../support/jobs.js';
import { Installation, MAIN } from '../support/mounted.js';

const lacks = ['rclone', 'script'].find((program) => spawnSync(program, ['--version']).error !== undefined);

/** The page of rclone on this machine that leads to the provider and back. */
const LINK = /http:\/\/127\.0\.0\.1:53682\/auth\?state=[^\s"]+/;

/** A person at a terminal, who answers what rclone asks and opens in a browser what it shows. */
async function atTerminal(
  installation: Installation,
  words: readonly string[],
  browser: 'here' | 'elsewhere' = 'here',
) {
  const quoted = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(' ');
  const { NODE_OPTIONS: _, ...env } = installation.environment;
  const child = spawn('script', ['-qfec', quoted, '/dev/null'], { env, timeout: 60_000 });
  child.stdin.on('error', () => undefined);
  let shown = '';
  let opened: Promise<unknown> | undefined;
  let answers = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    for (; answers < [...shown.matchAll(/y\/n> /g)].length; answers++)
      child.stdin.write(browser === 'here' || shown.includes('refresh?') ? 'y\n' : 'n\n');
    const link = LINK.exec(shown)?.[0];
    if (link) opened ??= visit(link);
    const command = /rclone authorize "([^"]+)" "([^"]+)"/.exec(shown);
    if (command && shown.endsWith('config_token> '))
      opened ??= authorize(command[1]!, command[2]!).then((token) => child.stdin.write(`${token}\n`));
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  await opened;
  return { code, shown };
}

/** rclone may end before its last page is out: how the sign-in went, it says itself. */
const visit = (link: string): Promise<string> =>
  fetch(link)
    .then((page) => page.text())
    .catch(String);

/** What rclone says to run on a machine with a browser; the token that is to be pasted. */
async function authorize(type: string, what: string): Promise<string> {
  const child = spawn('rclone', ['authorize', type, what], { env: { ...process.env, RCLONE_CONFIG: '/dev/null' } });
  let shown = '';
  let opened: Promise<unknown> | undefined;
  const see = (text: string): void => {
    shown += text;
    const link = LINK.exec(shown)?.[0];
    if (link) opened ??= visit(link);
  };
  child.stdout.setEncoding('utf8').on('data', see);
  child.stderr.setEncoding('utf8').on('data', see);
  await new Promise((resolve) => child.once('close', resolve));
  await opened;
  return /--->\s*(\S+)\s*<---/.exec(shown)![1]!;
}

t.test(
  'a person signs in to a cloud by rclone',
  { skip: lacks !== undefined && `${lacks} is not there` },
  async (t) => {
    const cloud = await CloudServer.start(t);
    const installation = new Installation(t);
    const secret = join(installation.folder, 'secret');
    writeFileSync(secret, cloud.client.secret, { mode: 0o600 });
    const options = Object.entries(cloud.options).flatMap(([name, value]) => ['--option', `${name}=${value}`]);
    const add = [
      ...['connections', 'add', 'Cloud', '--platform', 'gcs', '--uri', 'bucket'],
      ...[...options, '--secret-option', `client_secret=${secret}`],
    ];
    const without = await installation.procorefs(add);
    t.match(without, { code: 2, stderr: /asks a person to sign in: run this at a terminal/ });

    cloud.isAllowed = false;
    const denied = await atTerminal(installation, add);
    t.equal(denied.code, 1);
    t.match(denied.shown, /procorefs: [^\n]*rclone was not signed in/);
    t.strictSame(new Connections(installation.state).all(), [], 'it is not kept');

    cloud.isAllowed = true;
    const { code, shown } = await atTerminal(installation, add);
    t.equal(code, 0, shown);
    t.match(shown, /Connection test succeeded: "Cloud"/);
    t.strictSame(cloud.grants, ['authorization_code']);
    t.notMatch(shown, new RegExp(cloud.client.secret));
    const secrets = join(installation.state, 'secrets');
    const file = readdirSync(secrets).find((name) => name.endsWith('.rclone'))!;
    t.equal(statSync(join(secrets, file)).mode & 0o777, 0o600, 'tokens are for one user');

    // From now on every use of the account takes a new token first.
    cloud.lifetime = 5;
    cloud.grants.length = 0;
    const from = join(installation.folder, 'from');
    put(from, { 'one.txt': '1', 'deep/two.txt': '22' });
    await atTerminal(installation, ['connections', 'login', 'Cloud']);
    t.strictSame(cloud.grants[0], 'authorization_code', 'signed in again');
    await installation.must(['jobs', 'add', 'out', '--from', from, '--to', 'Cloud:']);
    await installation.must(['jobs', 'run', 'out', '--wait']);
    t.strictSame([...cloud.objects].map(([name, { bytes }]) => [name, bytes.toString()]).sort(), [
      ['deep/two.txt', '22'],
      ['one.txt', '1'],
    ]);
    t.ok(cloud.grants.includes('refresh_token'), 'a token that has run out is renewed');

    cloud.revoke();
    const revoked = await installation.procorefs(['jobs', 'run', 'out', '--wait']);
    t.equal(revoked.code, 1);
    t.match(
      revoked.stderr,
      /^procorefs: [^\n]*ended as failed: gcs:bucket refuses the sign-in of the account[^\n]*\n$/,
    );
    const elsewhere = await atTerminal(installation, ['connections', 'login', 'Cloud'], 'elsewhere');
    t.equal(elsewhere.code, 0, elsewhere.shown);
    t.match(elsewhere.shown, /Connection test succeeded: "Cloud"/, 'by the browser of another machine');
  },
);
