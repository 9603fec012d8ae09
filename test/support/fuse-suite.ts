import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import type { Driver } from '#src/fuse/driver.js';
import { mountTable } from '#src/fuse/mountpoint.js';
import { Client } from './fuse-client.js';
import { MemoryFileSystem } from './fuse-memory.js';
import { mountFor } from './fuse-mount.js';
import { until } from './processes.js';

const run = promisify(execFile);

/** What both drivers must do, for a read-only file system. */
export function readSuite(driver: Driver): void {
  const client = new Client();
  t.teardown(() => client.close());

  t.test('names, attributes and content are those of the file system', async (t) => {
    const fs = new MemoryFileSystem();
    fs.owner = { uid: 12, gid: 34 };
    const folder = fs.folder(fs.root, 'Drawings – Pläne');
    const file = fs.file(folder, 'A-101 “rev 2” 図.pdf', 'content of a drawing');
    file.mode = 0o100640;
    const { mnt } = await mountFor(t, driver, fs);
    t.same(await client.call('readdirSync', mnt), ['Drawings – Pläne']);
    const path = `${mnt}/Drawings – Pläne/A-101 “rev 2” 図.pdf`;
    t.match(await client.call('statSync', path), {
      ino: file.ino,
      size: 20,
      mode: 0o100640,
      uid: 12,
      gid: 34,
      nlink: 1,
      blocks: 1,
      mtimeMs: 1_700_000_000_250,
    });
    t.equal(await client.text(path), 'content of a drawing');
    t.equal(await client.code('statSync', `${mnt}/absent`), 'ENOENT');
    t.equal(await client.code('readdirSync', path), 'ENOTDIR');
    t.equal(await client.code('statSync', Buffer.concat([Buffer.from(`${mnt}/`), Buffer.of(0xff, 0xfe)])), 'ENOENT');
    t.equal(await client.code('statSync', `${mnt}/${'x'.repeat(256)}`), 'ENAMETOOLONG');
  });

  t.test('the size of a file beyond 4 GiB and reads there are exact', async (t) => {
    const fs = new MemoryFileSystem();
    fs.file(fs.root, 'big', '').size = 5 * 1024 ** 3 + 3;
    const { mnt } = await mountFor(t, driver, fs);
    t.equal((await client.call('statSync', `${mnt}/big`)).size, 5 * 1024 ** 3 + 3);
    await client.withOpen(`${mnt}/big`, 'r', async (fd) => {
      t.equal(await client.read(fd, 5 * 1024 ** 3 + 1, 10), '\0\0');
      t.equal(await client.read(fd, 6 * 1024 ** 3, 10), '', 'nothing after the end');
    });
  });

  t.test('a folder of 10,000 entries lists each once, in order, with its size', async (t) => {
    const fs = new MemoryFileSystem();
    const folder = fs.folder(fs.root, 'many');
    const expected: string[] = [];
    for (let i = 0; i < 10_000; i++) {
      const name = `${'ä'.repeat(i % 60)}${i}.dat`;
      fs.file(folder, name, 'x'.repeat(i % 7));
      expected.push(`${i % 7} ${name}`);
    }
    const { mnt } = await mountFor(t, driver, fs);
    for (const turn of ['first', 'second']) {
      const find = ['-c', 'find "$0" -type f -printf "%s %f\\n" 2>/dev/null', `${mnt}/many`];
      const { stdout } = await run('sh', find, { maxBuffer: 1 << 24 });
      t.equal(stdout, `${expected.join('\n')}\n`, turn);
    }
  });

  t.test('content is read right at every offset and size', async (t) => {
    const fs = new MemoryFileSystem();
    const content = Buffer.alloc(3_000_001);
    for (let i = 0; i < content.length; i++) content[i] = (i * 31 + (i >> 8)) & 0xff;
    fs.file(fs.root, 'data', content);
    const { mnt } = await mountFor(t, driver, fs);
    t.ok(content.equals(await client.call('readFileSync', `${mnt}/data`)), 'the whole');
    await client.withOpen(`${mnt}/data`, 'r', async (fd) => {
      for (const [offset, size] of [
        [0, 1],
        [4095, 2],
        [8191, 8193],
        [999_999, 1_048_577],
        [3_000_000, 5],
      ] as const) {
        const bytes = Buffer.from(await client.call('readSync', fd, { read: size }, offset));
        t.ok(bytes.equals(content.subarray(offset, offset + size)), `${size} bytes at ${offset}`);
      }
    });
  });

  t.test('everything that writes is refused with EROFS', async (t) => {
    const fs = new MemoryFileSystem();
    fs.file(fs.root, 'file', 'content');
    fs.folder(fs.root, 'folder');
    const { mnt } = await mountFor(t, driver, fs);
    const refused: [string, ...Parameters<Client['code']>][] = [
      ['create', 'writeFileSync', `${mnt}/new`, 'x'],
      ['write', 'openSync', `${mnt}/file`, 'r+'],
      ['append', 'openSync', `${mnt}/file`, 'a'],
      ['truncate', 'truncateSync', `${mnt}/file`, 0],
      ['mkdir', 'mkdirSync', `${mnt}/new`],
      ['unlink', 'unlinkSync', `${mnt}/file`],
      ['rmdir', 'rmdirSync', `${mnt}/folder`],
      ['rename', 'renameSync', `${mnt}/file`, `${mnt}/other`],
      ['link', 'linkSync', `${mnt}/file`, `${mnt}/other`],
      ['symlink', 'symlinkSync', 'file', `${mnt}/other`],
      ['chmod', 'chmodSync', `${mnt}/file`, 0o600],
      ['chown', 'chownSync', `${mnt}/file`, 1, 1],
      ['utimes', 'utimesSync', `${mnt}/file`, 1, 1],
    ];
    for (const [what, ...call] of refused) t.equal(await client.code(...call), 'EROFS', what);
    const { stderr } = await run('setfattr', ['-n', 'user.x', '-v', '1', `${mnt}/file`]).catch((error) => error);
    t.match(stderr, /Read-only file system/, 'setxattr');
  });

  t.test('extended attributes are read by name and listed', async (t) => {
    const fs = new MemoryFileSystem();
    const file = fs.file(fs.root, 'file', '');
    file.xattrs.set('user.procore.id', Buffer.from('4711'));
    file.xattrs.set('user.long', Buffer.alloc(5000, 'y'));
    const { mnt } = await mountFor(t, driver, fs);
    const get = (name: string): Promise<{ stdout: string }> =>
      run('getfattr', ['--absolute-names', '--only-values', '-n', name, `${mnt}/file`]);
    t.equal((await get('user.procore.id')).stdout, '4711');
    t.equal((await get('user.long')).stdout, 'y'.repeat(5000));
    await t.rejects(get('user.absent'), /No such attribute/);
    const listed = await run('getfattr', ['--absolute-names', `${mnt}/file`]);
    t.same(listed.stdout.trim().split('\n').slice(1).sort(), ['user.long', 'user.procore.id']);
  });

  t.test('statfs gives the numbers of the file system', async (t) => {
    const { mnt } = await mountFor(t, driver, new MemoryFileSystem());
    const { stdout } = await run('stat', ['-f', '-c', '%l %b %f %c %d %s', mnt]);
    t.equal(stdout.trim(), '255 500000000 1000 7 3 4096');
  });

  t.test('a failure gives its errno, any other error EIO', async (t) => {
    const fs = new MemoryFileSystem();
    fs.file(fs.root, 'file', 'content');
    const { mnt } = await mountFor(t, driver, fs);
    fs.before = (operation) => {
      if (operation === 'read') throw new Error('unexpected');
    };
    t.equal(await client.code('readFileSync', `${mnt}/file`), 'EIO', 'thrown at once');
    fs.before = async (operation) => {
      if (operation === 'read') throw new Error('unexpected');
    };
    t.equal(await client.code('readFileSync', `${mnt}/file`), 'EIO', 'rejected');
  });

  t.test('operations that answer later run side by side', async (t) => {
    const fs = new MemoryFileSystem();
    for (const name of ['a', 'b', 'c', 'd']) fs.file(fs.root, name, name);
    const { mnt } = await mountFor(t, driver, fs);
    let waiting = 0;
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    fs.before = (operation) => {
      if (operation !== 'read') return;
      if (++waiting === 4) open();
      return gate;
    };
    const { stdout } = await run('sh', ['-c', 'for f in a b c d; do cat "$0/$f" & done; wait', mnt]);
    t.equal([...stdout].sort().join(''), 'abcd', 'four reads waited for one another');
  });

  t.test('every handle is released', async (t) => {
    const fs = new MemoryFileSystem();
    for (let i = 0; i < 50; i++) fs.file(fs.root, `f${i}`, 'x');
    const { mnt } = await mountFor(t, driver, fs);
    await run('sh', ['-c', 'cat "$0"/*; ls "$0"', mnt]);
    await until(() => fs.open_.size === 0);
    t.equal(fs.calls.open, 50);
  });

  t.test('findmnt shows source, type and that it is read-only', async (t) => {
    const { mnt } = await mountFor(t, driver, new MemoryFileSystem(), { source: 'acme:Tower, North [1]' });
    const entry = (await mountTable()).find(({ mountpoint }) => mountpoint === mnt);
    t.match(entry, { type: 'fuse.procorefs', source: 'acme:Tower, North [1]' });
    t.ok(entry?.options.includes('ro'));
    t.ok(entry?.options.includes('nosuid') && entry.options.includes('nodev'));
  });

  t.test('modes are enforced, others are kept out unless allow_other is given', async (t) => {
    const stranger = new Client({ uid: 65534, gid: 65534 });
    t.teardown(() => stranger.close());
    for (const allowOther of [false, true]) {
      const fs = new MemoryFileSystem();
      fs.file(fs.root, 'public', 'x');
      fs.file(fs.root, 'private', 'x').mode = 0o100600;
      const { mnt } = await mountFor(t, driver, fs, { allowOther });
      t.equal(await stranger.code('readFileSync', `${mnt}/public`), allowOther ? 'none' : 'EACCES');
      t.equal(await stranger.code('readFileSync', `${mnt}/private`), 'EACCES');
    }
  });

  t.test('the mount ends with umount(8) and with unmount, and the file system is told once', async (t) => {
    const fs = new MemoryFileSystem();
    const first = await mountFor(t, driver, fs);
    await run('umount', [first.mnt]);
    await first.mounted.ended;
    t.equal(fs.destroyed, 1);
    await first.mounted.unmount(false);
    t.equal(fs.destroyed, 1);
    const again = new MemoryFileSystem();
    const second = await mountFor(t, driver, again, { mountpoint: first.mnt });
    await second.mounted.unmount(false);
    await second.mounted.ended;
    t.equal(again.destroyed, 1);
    t.notOk((await mountTable()).some(({ mountpoint }) => mountpoint === first.mnt));
  });

  t.test('a mount in use is not unmounted, unless by force', async (t) => {
    const fs = new MemoryFileSystem();
    fs.file(fs.root, 'file', 'x');
    const { mnt, mounted } = await mountFor(t, driver, fs);
    // Not by the `cwd` of spawn: that would wait for the mount on this thread.
    const holder = spawn('sh', ['-c', 'cd "$0" && exec sleep 1000', mnt], { stdio: 'ignore' });
    t.teardown(() => holder.kill());
    await until(async () => (await run('sh', ['-c', `readlink /proc/${holder.pid}/cwd`])).stdout.trim() === mnt);
    await t.rejects(mounted.unmount(false), { code: 'unmount-busy' });
    t.equal(await client.text(`${mnt}/file`), 'x', 'it goes on');
    await mounted.unmount(true);
    t.equal(fs.destroyed, 1);
    t.equal(await client.code('statSync', `${mnt}/file`), 'ENOENT');
  });
}
