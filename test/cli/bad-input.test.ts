import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { wrongInRefusal } from '../scenarios/refusal.js';
import { Machine, type MachineSettings, machineUnavailable, type Person, people } from '../support/cases.js';
import { NOBODY } from '../support/sign-in.js';
import { type RunningSimulator, simulator } from '../support/simulator.js';

const skip = machineUnavailable;

/** What a row of the table can speak of. */
interface Scene {
  readonly machine: Machine;
  readonly simulator: RunningSimulator;
  /** CONNECTION:PROJECT that can be mounted. */
  readonly source: string;
  /** One of which nothing is mirrored, so that mounting it asks the server. */
  readonly unseen: string;
  /** An empty folder of who acts. */
  readonly mnt: string;
}

interface Row {
  readonly name: string;
  readonly as?: Person;
  readonly arrange?: (scene: Scene) => unknown;
  readonly words: (scene: Scene) => readonly string[];
  readonly input?: string;
  readonly says: RegExp;
  /** Undoes what `arrange` did to things that other rows use. */
  readonly restore?: (scene: Scene) => unknown;
}

const add = (scene: Scene, more: readonly string[] = []): string[] => {
  const { ready } = scene.simulator;
  return [
    ...['connections', 'add', 'Another', '--client-id', ready.client_id, '--client-secret-file', '-'],
    ...['--domain', ready.login, '--api', ready.api, '--company', String(ready.company_id), ...more],
  ];
};
const mount = ({ unseen, mnt }: Scene): string[] => ['mount', unseen, mnt];
const secretOf = ({ machine }: Scene): string => {
  const folder = join(machine.state('root'), 'secrets');
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.secret'))!);
};

const rows: readonly Row[] = [
  {
    name: 'a wrong secret, when the connection is added',
    words: (scene) => add(scene),
    input: 'wrong',
    says: /refused the sign-in of "Another": .+; check the client id and the secret/,
  },
  {
    name: 'a wrong secret, when a new project is mounted',
    arrange: (scene) => {
      writeFileSync(secretOf(scene), 'changed meanwhile\n');
    },
    words: mount,
    says: /refused the sign-in of "Procore"/,
    restore: (scene) => writeFileSync(secretOf(scene), scene.simulator.ready.client_secret),
  },
  {
    name: 'an unknown connection',
    words: ({ mnt }) => ['mount', 'Procoer:1', mnt],
    says: /no connection "Procoer" in \S+; .*there is "Procore"; or add it with/,
  },
  {
    name: 'an unknown connection, looked at',
    words: () => ['connections', 'show', 'Nobody'],
    says: /no connection "Nobody"/,
  },
  {
    name: 'an unknown project',
    words: ({ mnt }) => ['mount', 'Procore:Atlantis', mnt],
    says: /connection "Procore" sees no project "Atlantis"; see `procorefs projects Procore`/,
  },
  {
    name: 'an unknown project, by id',
    words: ({ mnt }) => ['mount', 'Procore:404404', mnt],
    says: /sees no project "404404"/,
  },
  {
    name: 'an ambiguous project',
    words: ({ mnt, simulator: { ready } }) => ['mount', `Procore:${ready.projects[0]!.name}`, mnt],
    says: /2 projects are called ".+" \(\d+, \d+\); name the project by its id/,
  },
  {
    name: 'a folder that the project has not',
    words: ({ source, mnt }) => ['mount', `${source}/no such folder`, mnt],
    says: /there is no \/no such folder/,
  },
  {
    name: 'a mount point that is missing',
    words: ({ source, mnt }) => ['mount', source, join(mnt, 'missing')],
    says: /the mount point \S+\/missing does not exist.*; create it with `mkdir -p/,
  },
  {
    name: 'a mount point that is a file',
    arrange: ({ machine }) => writeFileSync(join(machine.folder, 'file'), ''),
    words: ({ source, machine }) => ['mount', source, join(machine.folder, 'file')],
    says: /\/file is not a folder/,
  },
  {
    name: 'a mount point below a file',
    words: ({ source, machine }) => ['mount', source, join(machine.folder, 'file/below')],
    says: /\/file\/below is not a folder/,
  },
  {
    name: 'a mount point that is not empty',
    arrange: ({ machine }) => mkdirSync(join(machine.folder, 'full/of things'), { recursive: true }),
    words: ({ source, machine }) => ['mount', source, join(machine.folder, 'full')],
    says: /\/full is not empty; name an empty folder/,
  },
  {
    name: 'a mount point that is one already',
    words: ({ source, machine }) => ['mount', source, join(machine.folder, 'dev')],
    says: /\/dev is a mount point already \(procorefs-test\)/,
  },
  {
    name: 'a state folder that cannot be written',
    arrange: ({ machine }) => writeFileSync(join(machine.folder, 'occupied'), ''),
    words: ({ source, mnt, machine }) => ['mount', source, mnt, '--state', join(machine.folder, 'occupied')],
    says: /the state folder \S+ cannot be written: .+; make it writable/,
  },
  {
    name: 'a state folder of somebody else',
    as: 'eve',
    words: ({ source, mnt, machine }) => ['mount', source, mnt, '--state', machine.state('root')],
    says: /state belongs to another user \(uid 0\); run this as that user, or name another folder with --state/,
  },
  {
    name: 'secrets that others can read',
    arrange: (scene) => chmodSync(secretOf(scene), 0o644),
    words: mount,
    says: /other users may read or change \S+ \(mode 0644\); run `chmod go-rwx/,
    restore: (scene) => chmodSync(secretOf(scene), 0o600),
  },
  {
    name: 'a host that does not answer, when the connection is added',
    words: (scene) => add(scene).map((word) => (/^http:/.test(word) ? NOBODY : word)),
    input: 'secret',
    says: /127\.0\.0\.1:\d+ cannot be reached: .+; check the network/,
  },
  {
    name: 'the app is not installed in the company',
    arrange: ({ simulator }) => simulator.admin.switches({ 'app-connected': 'no' }),
    words: (scene) => add(scene),
    input: 'right',
    says: /the app is not connected to company \d+.*; install it in the company's App Management/,
    restore: ({ simulator }) => simulator.admin.switches({ 'app-connected': 'yes' }),
  },
  {
    name: 'the app is not installed any more when a project is mounted',
    arrange: ({ simulator }) => simulator.admin.switches({ 'app-connected': 'no' }),
    words: mount,
    says: /the app is not connected to company \d+.*; install it in the company's App Management/,
    restore: ({ simulator }) => simulator.admin.switches({ 'app-connected': 'yes' }),
  },
  {
    name: 'the Documents tool is switched off',
    arrange: ({ simulator }) => simulator.admin.switches({ 'project-access': 'tool-off' }),
    words: mount,
    says: /the Documents tool of project \d+ is switched off or not permitted.*; switch the tool on/,
    restore: ({ simulator }) => simulator.admin.switches({ 'project-access': 'write' }),
  },
  {
    name: 'the account has no permission in the project',
    arrange: ({ simulator }) => simulator.admin.switches({ 'project-access': 'not-permitted' }),
    words: mount,
    says: /project \d+ is not permitted to this account/,
    restore: ({ simulator }) => simulator.admin.switches({ 'project-access': 'write' }),
  },
  {
    name: 'unmounting what is not mounted',
    words: ({ mnt }) => ['umount', mnt],
    says: /no procorefs mount at/,
  },
  {
    name: 'unmounting what is not ours',
    words: () => ['umount', '/proc'],
    says: /no procorefs mount at \/proc/,
  },
  {
    name: 'the status of what is not mounted',
    words: ({ mnt }) => ['status', mnt],
    says: /no procorefs mount at/,
  },
  {
    name: 'refreshing what is not mounted',
    words: ({ mnt }) => ['refresh', join(mnt, 'a/b')],
    says: /no procorefs mount at/,
  },
  {
    name: 'a second connection of the same name',
    words: (scene) => add(scene).map((word) => (word === 'Another' ? 'Procore' : word)),
    input: 'any',
    says: /there is a connection "Procore" already; choose another name/,
  },
];

t.test('bad input ends with one line and leaves nothing behind', { skip }, async (t) => {
  const running = await simulator(t, { items: 10, projects: 2, switch: ['project-names=same'] });
  const machine = await Machine.create(t);
  await machine.connect(running);
  const [source, unseen] = running.ready.projects.map(({ id }) => `Procore:${id}`) as [string, string];
  for (const [n, row] of rows.entries())
    await t.test(row.name, async (t) => {
      const as = row.as ?? 'root';
      const scene: Scene = {
        machine,
        simulator: running,
        source,
        unseen,
        mnt: machine.mountpoint(`mnt${n}`, as),
      };
      await row.arrange?.(scene);
      t.teardown(() => row.restore?.(scene));
      const input = row.input === 'right' ? running.ready.client_secret : row.input;
      const ran = await machine.procorefs(row.words(scene), { as, ...(input === undefined ? {} : { input }) });
      t.strictSame(wrongInRefusal(ran, row.says), []);
      t.ok(await machine.isQuiet(), 'no process and no mount is left');
    });
  t.match(
    JSON.parse(await machine.must(['connections', 'list', '--json'])),
    { length: 1 },
    'no connection was kept that never worked',
  );
});

t.test('a second mount at the same place is refused, and the first goes on', { skip }, async (t) => {
  const running = await simulator(t, { items: 10 });
  const machine = await Machine.create(t);
  await machine.connect(running);
  const mnt = machine.mountpoint('mnt');
  const words = ['mount', `Procore:${running.ready.projects[0]!.id}`, mnt];
  await machine.must(words);
  const processes = machine.processes();
  const again = await machine.procorefs(words);
  t.strictSame(wrongInRefusal(again, /\/mnt is a mount point already \(Procore:\d+\); unmount it first/), []);
  t.strictSame(machine.processes(), processes);
  t.equal(machine.fuseMounts().length, 1);
  const { code } = await machine.run('ls', [mnt]);
  t.equal(code, 0);
  await machine.must(['umount', mnt]);
});

t.test('a host that is gone before the project was ever seen', { skip }, async (t) => {
  const running = await simulator(t, { items: 10 });
  const machine = await Machine.create(t);
  await machine.connect(running);
  await running.close();
  const mnt = machine.mountpoint('mnt');
  const ran = await machine.procorefs(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt]);
  t.strictSame(wrongInRefusal(ran, /cannot be reached: .+; check the network/), []);
  t.ok(await machine.isQuiet());
});

/** What a machine may lack. */
const machines: readonly {
  readonly name: string;
  readonly settings: MachineSettings;
  readonly as: Person;
  readonly more?: readonly string[];
  readonly says: RegExp;
}[] = [
  {
    name: 'no /dev/fuse, as root',
    settings: { device: 'absent' },
    as: 'root',
    says: /\/dev\/fuse does not exist.*; run `modprobe fuse` as root; in a container, pass the device in/,
  },
  {
    name: 'no /dev/fuse, as an ordinary user',
    settings: { device: 'absent' },
    as: 'alice',
    says: /\/dev\/fuse does not exist.*; run `modprobe fuse` as root/,
  },
  {
    name: '/dev/fuse of mode 0600, as an ordinary user',
    settings: { device: '0600' },
    as: 'alice',
    says: /this user may not open \/dev\/fuse \(mode 0600\).*; run `chmod 0666 \/dev\/fuse` as root/,
  },
  {
    name: 'no fusermount3, as an ordinary user',
    settings: { without: ['/usr/bin/fusermount3', '/bin/fusermount3'] },
    as: 'alice',
    says: /fusermount3 was not found.*; run `apt-get install fuse3` as root/,
  },
  {
    name: 'no libfuse2 for the driver fuse-native',
    settings: {
      without: ['/lib/x86_64-linux-gnu/libfuse.so.2', '/lib/aarch64-linux-gnu/libfuse.so.2', '/usr/lib/libfuse.so.2'],
    },
    as: 'root',
    more: ['--driver', 'fuse-native'],
    says: /the fuse-native driver cannot be loaded: .*libfuse.*; .*`apt-get install libfuse2`.*--driver kernel/,
  },
];

t.test('a machine that lacks what a mount needs', { skip }, async (t) => {
  const running = await simulator(t, { items: 10 });
  for (const { name, settings, as, more = [], says } of machines)
    await t.test(name, async (t) => {
      const machine = await Machine.create(t, settings);
      await machine.connect(running, { as });
      const mnt = machine.mountpoint('mnt', as);
      const ran = await machine.procorefs(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt, ...more], { as });
      t.strictSame(wrongInRefusal(ran, says), []);
      t.ok(await machine.isQuiet(), 'no process and no mount is left');
    });
});

t.test('a connection that lies in the state folder of another user', { skip }, async (t) => {
  const running = await simulator(t, { items: 10 });
  const machine = await Machine.create(t, { empty: ['/var/lib'] });
  const noState = { PROCOREFS_STATE: '' };
  const source = `Procore:${running.ready.projects[0]!.id}`;

  await machine.connect(running, { as: 'alice' });
  const asRoot = await machine.procorefs(['mount', source, machine.mountpoint('mnt')], {
    env: { ...noState, SUDO_USER: 'alice', SUDO_UID: String(people.alice.uid) },
  });
  const sudo =
    /no connection "Procore" in \/var\/lib\/procorefs; it exists in \S+\/home\/alice\/\.local\/state\/procorefs: run this without sudo/;
  t.strictSame(wrongInRefusal(asRoot, sudo), []);

  await machine.connect(running, { env: noState });
  const as = { as: 'eve' } as const;
  const asEve = await machine.procorefs(['mount', source, machine.mountpoint('mnt2', 'eve')], as);
  const ordinary = /no connection "Procore" in \S+\/home\/eve\/\S+; .*\/var\/lib\/procorefs.*root/;
  t.strictSame(wrongInRefusal(asEve, ordinary), []);
  t.ok(await machine.isQuiet());
});
