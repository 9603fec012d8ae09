import { readFileSync } from 'node:fs';
import t from 'tap';
import { commandsFor } from '#src/cli/commands.js';
import { Installation, mounted } from '../support/mounted.js';

t.test('wrong usage ends with 2 and says what is wrong', async (t) => {
  const installation = new Installation(t);
  const wrong: readonly (readonly [words: string, says: RegExp])[] = [
    ['frobnicate', /unknown command 'frobnicate'/],
    ['mount', /missing required argument 'source'/],
    ['mount Procore:1', /missing required argument 'mountpoint'/],
    ['mount Procore:1 /mnt extra', /too many arguments/],
    ['mount Procore:1 /mnt --no-such-option', /unknown option '--no-such-option'/],
    ['mount Procore:1 /mnt -o no_such_option', /unknown mount option "no_such_option" \(known: .*umask/],
    ['mount Procore:1 /mnt -o umask=9', /umask=9 is not an octal number/],
    ['mount Procore:1 /mnt -o cache', /the mount option cache needs a value/],
    ['mount Procore:1 /mnt --driver windows', /driver=windows is not one of kernel, fuse-native/],
    ['mount Procore:1 /mnt --cache much', /cache=much is not a size/],
    ['mount Procore:1 /mnt --log-level loud', /log_level=loud is not one of/],
    ['mount nothing /mnt', /"nothing" is not CONNECTION:PROJECT/],
    ['mount :1 /mnt', /":1" is not CONNECTION:PROJECT/],
    ['umount', /missing required argument 'mountpoint'/],
    ['refresh', /missing required argument 'path'/],
    ['connections', /Usage: procorefs connections/],
    ['connections add --client-id x', /--client-secret-file is missing/],
    ['connections add --client-id x --company here', /--company here is not a number/],
    [
      'connections add --client-id x --client-secret-file /no/such/file',
      /no client secret can be read from \/no\/such\/file/,
    ],
    ['connections add --client-id x --client-secret-file -', /no client secret can be read from -: it is empty/],
    ['connections add a/b --client-id x', /"a\/b" cannot be a connection's name/],
    ['connections show', /missing required argument 'name'/],
    ['projects', /missing required argument 'connection'/],
    ['simulate --items many', /--items is a integer|--items is an integer/],
    ['simulate --no-such', /--no-such/],
    ['simulate --shape round', /--shape is one of normal, wide/],
    ['daemon', /started by `procorefs mount`/],
    ['', /Usage: procorefs/],
  ];
  await inParallel(wrong, async ([words, says]) => {
    const ran = await installation.procorefs(words.split(' ').filter((word) => word !== ''));
    t.equal(ran.code, 2, `"${words}" ends with 2`);
    t.match(ran.stderr, says, `"${words}" says why`);
    t.notMatch(ran.stderr, /^\s+at /m);
    t.equal(ran.stdout, '');
  });
});

t.test('every command has a help that names what it takes', async (t) => {
  const installation = new Installation(t);
  const visible = (await commandsFor(undefined)).filter(({ hidden }) => !hidden);
  const main = await installation.must(['--help']);
  for (const { name } of visible) t.match(main, new RegExp(`^  ${name.split(' ')[0]}\\b`, 'm'));
  await inParallel(visible, async (command) => {
    const ran = await installation.procorefs([...command.name.split(' '), '--help']);
    t.equal(ran.code, 0, command.name);
    t.equal(ran.stderr, '');
    t.match(ran.stdout, new RegExp(`^Usage: procorefs ${command.name} `), command.name);
    if (command.passThrough) return;
    for (const flag of ['--json', '--state', '--log-level', '--help']) t.ok(ran.stdout.includes(flag), flag);
    for (const { flags } of command.flags ?? []) t.ok(ran.stdout.includes(flags.split(/[ ,]/)[0]!), flags);
    for (const option of command.options ?? []) t.ok(ran.stdout.includes(`--${option.replaceAll('_', '-')}`), option);
  });
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  t.equal(await installation.must(['--version']), `${version}\n`);
});

t.test('every command that prints has JSON for scripts', async (t) => {
  const { installation, simulator, source, mnt } = await mounted(t, { items: 30, oddNames: 'no' });
  const json = async (words: readonly string[], input?: string): Promise<unknown> => {
    const text = await installation.must([...words, '--json'], input === undefined ? {} : { input });
    t.match(text, /^[[{].*\n$/, `${words.join(' ')} prints one line`);
    return JSON.parse(text);
  };
  const { ready } = simulator;
  const add = `connections add Second --client-id ${ready.client_id} --client-secret-file - --domain ${ready.login} --api ${ready.api} --company ${ready.company_id}`;
  const project = { id: ready.projects[0]!.id, name: ready.projects[0]!.name, access: 'write' };
  t.match(await json(add.split(' '), ready.client_secret), { connection: 'Second', projects: [project] });
  t.match(await json(['connections', 'list']), [{ name: 'Procore' }, { name: 'Second' }]);
  const shown = await json(['connections', 'show', 'Procore']);
  t.match(shown, { name: 'Procore', clientId: ready.client_id, company: ready.company_id });
  t.notOk(JSON.stringify(shown).includes(ready.client_secret), 'no secret is shown');
  t.match(await json(['connections', 'test', 'Procore']), { projects: [project] });
  t.match(await json(['projects', 'Procore']), [project]);
  t.match(await json(['connections', 'remove', 'Second']), { removed: 'Second' });
  await installation.crawled(mnt);
  const status = await json(['status', mnt]);
  t.match(status, {
    mountpoint: mnt,
    state: 'ready',
    crawl: { done: true, items: Number },
    budget: {
      hour: { limit: 3600, remaining: Number, reset: Number },
      spike: { limit: 25, remaining: Number },
      spent: { interactive: Number, background: Number, job: 0 },
      refused4xx: 0,
    },
    outbox: { pending: 0, held: 0, failed: 0, bytes: 0 },
    cache: { bytes: Number, limit: 10 * 2 ** 30 },
    freshness: Number,
    driver: 'kernel',
    passthrough: Boolean,
    pid: Number,
  });
  t.match(await json(['status']), [{ mountpoint: mnt }], 'without a mount point an array');
  const watched = (await installation.must(['status', '--watch', '--json', mnt])).trim().split('\n');
  t.match(
    JSON.parse(watched.at(-1)!),
    [{ mountpoint: mnt, crawl: { done: true } }],
    'a line of JSON whenever it changed',
  );
  for (const words of [
    ['refresh', mnt],
    ['umount', mnt],
    ['mount', source, mnt],
  ])
    t.equal(await installation.must(words), '', `${words[0]} has nothing to say`);
});

/** A few at a time: each starts a process. */
async function inParallel<T>(values: readonly T[], work: (value: T) => Promise<void>): Promise<void> {
  const waiting = [...values];
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      for (let value = waiting.shift(); value !== undefined; value = waiting.shift()) await work(value);
    }),
  );
}
