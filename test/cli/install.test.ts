import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { wrongInRefusal } from '../scenarios/refusal.js';
import { INSTALLED, Machine, machineUnavailable } from '../support/cases.js';
import type { Ran } from '../support/mounted.js';
import { simulator } from '../support/simulator.js';

const skip = machineUnavailable;

t.test('after install, mount(8) and umount(8) work with a line of fstab', { skip }, async (t) => {
  const running = await simulator(t, { items: 40, oddNames: 'no' });
  const machine = await Machine.create(t, { scratch: ['/usr/sbin', '/etc'], installed: true });
  await machine.connect(running);
  const project = running.ready.projects[0]!;
  t.match(project.name, / /, 'the name has a blank');
  const installed = await machine.must(['install']);
  t.match(installed, /\/sbin\/mount\.procorefs; a line for \/etc\/fstab:\n\S+ \S+ procorefs \S+ 0 0\n/);
  const mnt = machine.mountpoint('mnt');
  const source = `Procore:${project.name.replaceAll(' ', '\\040')}`;
  const state = machine.state('root');
  const table = join(machine.folder, 'fstab');
  writeFileSync(
    table,
    `${source} ${mnt} procorefs noauto,_netdev,x-systemd.automount,allow_other,umask=022,state=${state} 0 0\n`,
  );

  const byTable = await machine.run('mount', ['-T', table, mnt]);
  t.equal(byTable.code, 0, byTable.stderr);
  t.equal(byTable.stderr, '');
  const found = await machine.run('findmnt', ['-n', '-o', 'SOURCE,FSTYPE', '--json', mnt]);
  t.strictSame(JSON.parse(found.stdout), {
    filesystems: [{ source: `Procore:${project.name}`, fstype: 'fuse.procorefs' }],
  });
  t.ok((await machine.run('ls', [mnt], { as: 'eve' })).stdout.split('\n').length > 3, 'it lists, for another user too');
  t.equal((await machine.run('umount', [mnt])).code, 0);
  t.ok(await machine.isQuiet(), 'umount(8) ends the daemon');

  await machine.run('sh', ['-c', `cat ${table} >>/etc/fstab`]);
  const plain = await machine.run('mount', [mnt], { env: { PROCOREFS_STATE: '/nonexistent/of/a/login' } });
  t.equal(plain.code, 0, plain.stderr);
  t.equal((await machine.run('test', ['-d', mnt])).code, 0);
  t.match((await machine.run('mount', [mnt])).stderr, /already mounted|mount point already/);
  t.equal((await machine.run('umount', [mnt])).code, 0);
  t.ok(await machine.isQuiet());

  const bad = await machine.run('mount', ['-t', 'procorefs', 'Nobody:x', mnt, '-o', `state=${state}`]);
  t.not(bad.code, 0);
  t.match(bad.stderr, /^procorefs: there is no connection "Nobody" .*$/m);
  const fake = await machine.run('mount', ['-f', '-T', table, mnt]);
  t.equal(fake.code, 0, 'a fake mount mounts nothing');
  t.strictSame(machine.fuseMounts(), []);

  await machine.must(['uninstall']);
  const gone = await machine.run('mount', ['-T', table, mnt]);
  t.not(gone.code, 0, 'the type is unknown again');
});

t.test('install and uninstall touch only what is theirs', { skip }, async (t) => {
  const machine = await Machine.create(t, { device: '0600', installed: true });
  const prefix = join(machine.folder, 'prefix/sbin');
  const helper = join(prefix, 'mount.procorefs');
  await machine.must(['install', '--prefix', prefix]);
  const ours = readFileSync(helper, 'utf8');
  await machine.must(['install', '--prefix', prefix]);
  t.equal(readFileSync(helper, 'utf8'), ours, 'twice is once');
  t.strictSame(JSON.parse(await machine.must(['uninstall', '--prefix', prefix, '--json'])), { removed: helper });
  await machine.must(['uninstall', '--prefix', prefix]);

  writeFileSync(helper, '#!/bin/sh\necho of somebody else\n');
  for (const command of ['install', 'uninstall']) {
    const ran = await machine.procorefs([command, '--prefix', prefix]);
    t.strictSame(wrongInRefusal(ran, /mount\.procorefs exists and was not made by procorefs; check it/), []);
  }
  t.equal(readFileSync(helper, 'utf8'), '#!/bin/sh\necho of somebody else\n', 'it is as it was');
  const denied = await machine.procorefs(['install', '--prefix', join(machine.folder, 'other')], { as: 'eve' });
  t.strictSame(wrongInRefusal(denied, /cannot be written: .+; run this as root, or choose a folder with --prefix/), []);
});

t.test('install refuses what others than root can change, and so does the helper each time', { skip }, async (t) => {
  const machine = await Machine.create(t, { device: '0600', installed: true });
  const helper = join(machine.folder, 'sbin/mount.procorefs');
  const install = (): Promise<Ran> => machine.procorefs(['install', '--prefix', dirname(helper)]);
  const help = (): Promise<Ran> => machine.run('sh', [helper, 'Procore:x', '/nowhere']);
  t.equal((await install()).code, 0);
  t.match((await help()).stderr, /there is no connection "Procore"/, 'the helper runs the program');

  const app = join(INSTALLED, 'app');
  const native = join(app, 'node_modules/koffi/index.js');
  const places: [string, string, string][] = [
    ['the program', machine.main, `chown 65534 ${machine.main}`],
    ['a file that others may write', machine.main, `chmod 0666 ${machine.main}`],
    ['the folder of the program', dirname(machine.main), `chown 65534 ${dirname(machine.main)}`],
    ['a folder above it', app, `chmod 0775 ${app}`],
    ['a folder where others may add', app, `chmod 1777 ${app}`],
    ['a folder at the top', INSTALLED, `chown 65534 ${INSTALLED}`],
    ['what is loaded beside it', native, `chown 65534 ${native}`],
    ['the folder of what is loaded', join(app, 'node_modules'), `chown 65534 ${join(app, 'node_modules')}`],
    ['what says how modules are read', join(app, 'package.json'), `chmod 0646 ${join(app, 'package.json')}`],
    ['Node', machine.node, `chown 65534 ${machine.node}`],
    ['a link in its place', native, `mv ${native} ${INSTALLED}/kept; ln -s ${INSTALLED}/kept ${native}`],
  ];
  for (const [what, path, change] of places) {
    await machine.run('sh', ['-c', change]);
    for (const ran of [await install(), await help()]) {
      t.strictSame(
        wrongInRefusal(ran, /^procorefs: root would run files that other users can change: \/opt.+; put Node /),
        [],
        what,
      );
      t.ok(ran.stderr.includes(`${path} (uid `), `${what} is named: ${ran.stderr}`);
    }
    const back = `[ -L ${path} ] && rm ${path} && mv ${INSTALLED}/kept ${path}; chown 0 ${path}; chmod 0755 ${path}`;
    await machine.run('sh', ['-c', back]);
    t.equal((await install()).code, 0, `${what}: well again`);
  }
});

t.test('a folder that is open to all may lie above, as long as nobody puts modules there', { skip }, async (t) => {
  const machine = await Machine.create(t, { device: '0600', installed: true });
  const helper = join(machine.folder, 'sbin/mount.procorefs');
  const install = (): Promise<Ran> => machine.procorefs(['install', '--prefix', dirname(helper)]);
  const help = (): Promise<Ran> => machine.run('sh', [helper, 'Procore:x', '/nowhere']);
  await machine.run('sh', ['-c', `chmod 1777 ${INSTALLED}`]);
  t.equal((await install()).code, 0);
  t.match((await help()).stderr, /there is no connection "Procore"/);
  await machine.run('sh', ['-c', `mkdir ${INSTALLED}/node_modules; chown 65534 ${INSTALLED}/node_modules`]);
  for (const ran of [await install(), await help()])
    t.match(ran.stderr, /other users can change: \/opt\S*\/node_modules \(uid 65534/);
  await machine.run('sh', ['-c', `rmdir ${INSTALLED}/node_modules; chmod 0777 ${INSTALLED}`]);
  t.match((await install()).stderr, /other users can change: \/opt\S* \(uid 0, mode 777\)/, 'without the sticky bit');
  await machine.run('sh', ['-c', `chmod 1777 ${INSTALLED}; rm -r ${INSTALLED}/app/node_modules/fuse-native`]);
  t.match((await install()).stderr, /mode 1777/, 'Node would look for a missing package there');
});

t.test('a checkout of a user is not what root installs', { skip }, async (t) => {
  const machine = await Machine.create(t, { device: '0600', installed: true });
  await machine.run('sh', ['-c', `chown -R 65534 ${INSTALLED}/app`]);
  const ran = await machine.procorefs(['install', '--prefix', join(machine.folder, 'sbin')]);
  t.strictSame(wrongInRefusal(ran, /other users can change: \/opt\S* \(uid 65534, mode \d+\); /), []);
});
