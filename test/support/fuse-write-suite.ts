import { execFile, spawn } from 'node:child_process';
import { constants, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Driver } from '#src/fuse/driver.js';
import { Client } from './fuse-client.js';
import { WritableMemoryFileSystem } from './fuse-memory-writable.js';
import { fuseFolder, mountFor, type Teardown } from './fuse-mount.js';
import { until } from './processes.js';
import { randomBy } from './random.js';

const run = promisify(execFile);
const python = (code: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  run('python3', ['-c', code, ...args]);

/** The name of the errno that a line of Python fails with. */
const pythonErrno = async (code: string, ...args: string[]): Promise<string> => {
  const lines = code.split('\n').map((line) => `  ${line}`);
  const script = `import ctypes, errno, os, sys\ntry:\n${lines.join('\n')}\n  print("none")\nexcept OSError as e: print(errno.errorcode[e.errno])`;
  return (await python(script, ...args)).stdout.trim();
};
const renameat2 = (flags: number): string =>
  `libc = ctypes.CDLL(None, use_errno=True)\nif libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), ${flags}): raise OSError(ctypes.get_errno(), "")`;

export interface WriteVariant {
  readonly driver: Driver;
  /** Files lie in a folder, and the kernel writes to them itself. */
  readonly staged?: boolean;
}

/** What both drivers must do, for a file system that can be written to. */
export function writeSuite({ driver, staged = false }: WriteVariant): void {
  const kernel = driver.name === 'kernel';
  const client = new Client();
  t.teardown(() => client.close());

  const fileSystem = (t: Teardown): WritableMemoryFileSystem => {
    if (!staged) return new WritableMemoryFileSystem();
    const fs = new WritableMemoryFileSystem(fuseFolder(t));
    t.teardown(() => fs.close());
    return fs;
  };
  const mount = async (t: Teardown): Promise<{ fs: WritableMemoryFileSystem; mnt: string; passthrough: boolean }> => {
    const fs = fileSystem(t);
    const { mnt, mounted } = await mountFor(t, driver, fs, { readOnly: false });
    return { fs, mnt, passthrough: staged && mounted.passthrough };
  };

  t.test('files are created, written, appended to, truncated and overwritten in the middle', async (t) => {
    const { fs, mnt, passthrough } = await mount(t);
    const path = `${mnt}/file`;
    await client.call('writeFileSync', path, 'first');
    t.equal(await client.text(path), 'first');
    await client.call('appendFileSync', path, ', second');
    t.equal(await client.text(path), 'first, second');
    t.equal((await client.call('statSync', path)).size, 13);
    await client.withOpen(path, 'r+', async (fd) => {
      await client.call('writeSync', fd, 'FIRST', 0);
      await client.call('writeSync', fd, 'far', 20);
      t.equal(await client.text(path), 'FIRST, second\0\0\0\0\0\0\0far', 'seen before it is closed');
      await client.call('ftruncateSync', fd, 5);
      t.equal((await client.call('fstatSync', fd)).size, 5);
    });
    t.equal(await client.text(path), 'FIRST');
    await client.call('truncateSync', path, 7);
    t.equal(await client.text(path), 'FIRST\0\0');
    await client.call('writeFileSync', path, 'new');
    t.equal(await client.text(path), 'new', 'O_TRUNC');
    t.equal(await client.code('writeFileSync', path, '', { flag: 'wx' }), 'EEXIST');
    const big = Buffer.alloc(5_000_003, 'abcdefg');
    await client.call('writeFileSync', `${mnt}/big`, big);
    t.ok(big.equals(await client.call('readFileSync', `${mnt}/big`)), '5 MB');
    if (passthrough) t.notOk(fs.calls.write ?? fs.calls.read, 'the kernel did all of it');
  });

  t.test('folders and names are made, moved and removed', async (t) => {
    const { fs, mnt } = await mount(t);
    const code = client.code.bind(client);
    await client.call('mkdirSync', `${mnt}/a`);
    await client.call('mkdirSync', `${mnt}/a/b – ü`);
    await client.call('writeFileSync', `${mnt}/a/b – ü/file`, 'content');
    t.equal(await code('mkdirSync', `${mnt}/a`), 'EEXIST');
    t.equal(await code('rmdirSync', `${mnt}/a`), 'ENOTEMPTY');
    t.equal(await code('rmdirSync', `${mnt}/a/b – ü/file`), 'ENOTDIR');
    t.equal(await code('unlinkSync', `${mnt}/a/b – ü`), 'EISDIR');
    t.equal(await code('unlinkSync', `${mnt}/a/absent`), 'ENOENT');
    t.equal(await code('writeFileSync', `${mnt}/absent/file`, ''), 'ENOENT');
    t.equal(await code('writeFileSync', `${mnt}/${'x'.repeat(256)}`, ''), 'ENAMETOOLONG');
    const invalid = Buffer.concat([Buffer.from(`${mnt}/`), Buffer.of(0x61, 0xff)]);
    t.equal(await code('writeFileSync', invalid, ''), 'EINVAL', 'a name that is not UTF-8');
    t.equal(await code('mkdirSync', invalid), 'EINVAL');
    await client.call('renameSync', `${mnt}/a`, `${mnt}/moved`);
    t.equal(await client.text(`${mnt}/moved/b – ü/file`), 'content', 'a folder with what is in it');
    t.equal(await code('statSync', `${mnt}/a`), 'ENOENT');
    await client.call('writeFileSync', `${mnt}/other`, 'other');
    await client.call('renameSync', `${mnt}/other`, `${mnt}/moved/b – ü/file`);
    t.equal(await client.text(`${mnt}/moved/b – ü/file`), 'other', 'over an existing file');
    await client.call('mkdirSync', `${mnt}/empty`);
    t.equal(await code('renameSync', `${mnt}/moved/b – ü/file`, `${mnt}/empty`), 'EISDIR');
    await client.call('rmdirSync', `${mnt}/empty`);
    await client.call('unlinkSync', `${mnt}/moved/b – ü/file`);
    await client.call('rmdirSync', `${mnt}/moved/b – ü`);
    t.same(await client.call('readdirSync', `${mnt}/moved`), []);
    await client.call('rmdirSync', `${mnt}/moved`);
    t.equal(fs.root.children!.size, 0);
  });

  t.test('rename refuses to exchange, and to replace where that is not wanted', async (t) => {
    const { mnt } = await mount(t);
    await client.call('writeFileSync', `${mnt}/one`, '1');
    await client.call('writeFileSync', `${mnt}/two`, '2');
    t.equal(await pythonErrno(renameat2(2), `${mnt}/one`, `${mnt}/two`), 'EINVAL', 'RENAME_EXCHANGE');
    t.equal(await pythonErrno(renameat2(1), `${mnt}/one`, `${mnt}/two`), 'EEXIST', 'RENAME_NOREPLACE');
    t.equal(await pythonErrno(renameat2(1), `${mnt}/one`, `${mnt}/three`), kernel ? 'none' : 'EINVAL');
    t.equal(await client.text(`${mnt}/two`), '2');
  });

  t.test('a file that is removed while open goes on for those who have it', async (t) => {
    const { mnt } = await mount(t);
    await client.withOpen(`${mnt}/file`, 'w+', async (fd) => {
      await client.call('writeSync', fd, 'before');
      await client.call('unlinkSync', `${mnt}/file`);
      t.equal(await client.code('statSync', `${mnt}/file`), 'ENOENT');
      await client.call('writeSync', fd, ' after');
      t.equal(await client.read(fd, 0, 100), 'before after');
      t.equal((await client.call('fstatSync', fd)).size, 12);
    });
    // libfuse 2 renames the file and removes it after the last close.
    await until(async () => (await client.call('readdirSync', mnt)).length === 0);
  });

  t.test('modes and times are set; an owner that is not kept stays what it was', async (t) => {
    const { fs, mnt } = await mount(t);
    const path = `${mnt}/file`;
    await client.call('writeFileSync', path, 'x', { mode: 0o640 });
    t.equal((await client.call('statSync', path)).mode, 0o100640, 'at creation');
    await client.call('chmodSync', path, 0o604);
    t.equal((await client.call('statSync', path)).mode, 0o100604);
    await client.call('utimesSync', path, 1_111_111_111, 1_222_222_222.5);
    t.equal((await client.call('statSync', path)).mtimeMs, 1_222_222_222_500, 'the modification time, not the other');
    const before = Date.now();
    await run('touch', [path]);
    const { mtimeMs } = await client.call('statSync', path);
    t.ok(mtimeMs >= before - 1500 && mtimeMs <= Date.now() + 1500, 'now');
    if (kernel) {
      await run('touch', ['-m', '-d', '2001-02-03T04:05:06Z', path]);
      t.equal((await client.call('statSync', path)).mtimeMs, Date.parse('2001-02-03T04:05:06Z'), 'one of the two');
    }
    // Node's own futimes takes no time before 1970.
    if (kernel && !staged) {
      await run('touch', ['-d', '1960-01-01T00:00:00Z', path]);
      t.equal((await client.call('statSync', path)).mtimeMs, Date.parse('1960-01-01T00:00:00Z'), 'before 1970');
    }
    const { uid, gid } = await client.call('statSync', path);
    await client.call('chownSync', path, uid + 1, gid + 2);
    await run('chgrp', [String(gid + 3), path]);
    t.same(fs.owners, [
      { uid: uid + 1, gid: gid + 2 },
      { uid: undefined, gid: gid + 3 },
    ]);
    t.match(await client.call('statSync', path), { uid, gid });
  });

  t.test('links and devices are refused with EPERM, and the file system is told', async (t) => {
    const { fs, mnt } = await mount(t);
    await client.call('writeFileSync', `${mnt}/file`, '');
    t.equal(await client.code('symlinkSync', 'file', `${mnt}/symlink`), 'EPERM');
    t.equal(await client.code('linkSync', `${mnt}/file`, `${mnt}/link`), 'EPERM');
    await t.rejects(run('mkfifo', [`${mnt}/fifo`]), /not permitted/);
    t.same(fs.forbidden, ['symbolic link', 'hard link', 'device or socket']);
  });

  t.test('extended attributes are set, replaced and removed', async (t) => {
    const { fs, mnt } = await mount(t);
    const path = `${mnt}/file`;
    await client.call('writeFileSync', path, '');
    await run('setfattr', ['-n', 'user.one', '-v', 'first value', path]);
    await run('setfattr', ['-n', 'user.empty', path]);
    const { xattrs } = fs.root.children!.get('file')!;
    t.equal(Buffer.from(xattrs.get('user.one')!).toString(), 'first value');
    t.equal(xattrs.get('user.empty')?.length, 0);
    const set = (flags: string): Promise<string> =>
      pythonErrno(`os.setxattr(sys.argv[1], sys.argv[2], b"2", ${flags})`, path, 'user.one');
    t.equal(await set('os.XATTR_CREATE'), 'EEXIST');
    t.equal(await set('os.XATTR_REPLACE'), 'none');
    t.equal(await pythonErrno('os.setxattr(sys.argv[1], "user.new", b"2", os.XATTR_REPLACE)', path), 'ENODATA');
    t.equal(await pythonErrno('os.setxattr(sys.argv[1], "trusted.x", b"2")', path), 'ENOTSUP');
    await run('setfattr', ['-x', 'user.one', path]);
    t.same([...xattrs.keys()], ['user.empty']);
    t.equal(await pythonErrno('os.removexattr(sys.argv[1], "user.one")', path), 'ENODATA');
  });

  t.test('each close of a descriptor that can write is told, fsync too; readers cost nothing', async (t) => {
    const { fs, mnt } = await mount(t);
    const path = `${mnt}/file`;
    await client.withOpen(path, 'w', async (fd) => {
      await client.call('writeSync', fd, 'x');
      await client.call('fsyncSync', fd);
      await client.call('fdatasyncSync', fd);
    });
    t.match(fs.calls, { create: 1, flush: 1, fsync: 1, fdatasync: 1 });
    await run('sh', ['-c', 'echo hi > "$0"', path]);
    t.ok(fs.calls.flush! >= 2, 'the shell duplicates its descriptor and closes it twice');
    const flushed = fs.calls.flush;
    t.equal(await client.text(path), 'hi\n');
    t.equal(fs.calls.flush, flushed);
    await python('import os, sys\nf = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)\nos.fsync(f)', mnt);
    t.equal(fs.calls.fsyncdir, 1);
    await until(() => fs.open_.size === 0);
  });

  t.test('a full disk is ENOSPC, at write, truncate and open', async (t) => {
    const { fs, mnt } = await mount(t);
    await client.call('writeFileSync', `${mnt}/file`, 'content');
    fs.room = 1_000_000;
    t.equal(await client.code('truncateSync', `${mnt}/file`, 2_000_000), 'ENOSPC');
    if (!staged) t.equal(await client.code('writeFileSync', `${mnt}/big`, Buffer.alloc(2_000_000)), 'ENOSPC');
    fs.before = (operation) => {
      if (operation === 'create' || operation === 'open') fs.room = -1;
    };
    fs.room = 0;
    t.equal(await client.code('truncateSync', `${mnt}/file`, 10), 'ENOSPC');
  });

  t.test('who has a file open sees what others append', async (t) => {
    const { mnt } = await mount(t);
    const path = `${mnt}/log`;
    await client.call('writeFileSync', path, 'line 1\n');
    const tail = spawn('tail', ['-n', '+1', '-s', '0.05', '-f', path], { stdio: ['ignore', 'pipe', 'ignore'] });
    t.teardown(() => tail.kill());
    let seen = '';
    tail.stdout.on('data', (chunk) => {
      seen += chunk;
    });
    for (let i = 2; i <= 4; i++) {
      await until(() => seen.includes(`line ${i - 1}\n`));
      await client.call('appendFileSync', path, `line ${i}\n`);
    }
    await until(() => seen === 'line 1\nline 2\nline 3\nline 4\n');
  });

  t.test('large writes that take their time, side by side, do not mix', async (t) => {
    const { fs, mnt } = await mount(t);
    const source = fuseFolder(t);
    for (let i = 0; i < 6; i++) {
      const bytes = Buffer.alloc(2_500_000);
      for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE((at * 7 + i * 0x01010101) >>> 0, at);
      writeFileSync(join(source, `f${i}`), bytes);
    }
    const random = randomBy(1);
    fs.before = (operation) => {
      if (operation === 'write') return new Promise((resolve) => setTimeout(resolve, random() * 5));
    };
    await run('sh', ['-c', 'cd "$0" && for f in f*; do cp "$f" "$1/$f" & done; wait', source, mnt]);
    fs.before = undefined;
    await run('diff', ['-r', source, mnt]);
  });

  t.test('programs that save, copy and unpack work', async (t) => {
    const { mnt } = await mount(t);
    const source = fuseFolder(t);
    mkdirSync(join(source, 'sub'));
    writeFileSync(join(source, 'a.txt'), 'one\ntwo\n');
    writeFileSync(join(source, 'sub/b.bin'), Buffer.alloc(100_000, 7));
    const script = `set -e
      mkdir "$1/copy" && cp -r --preserve=mode,timestamps "$0/." "$1/copy"
      diff -r "$0" "$1/copy"
      sed -i s/two/three/ "$1/copy/a.txt"
      test "$(cat "$1/copy/a.txt")" = "one
three"
      mkdir "$1/tar" && tar c -C "$0" . | tar x --no-same-owner -C "$1/tar"
      diff -r "$0" "$1/tar"
      python3 -c 'import os, sys; p = sys.argv[1]; open(p + ".new", "w").write("saved"); os.replace(p + ".new", p)' "$1/tar/a.txt"
      test "$(cat "$1/tar/a.txt")" = saved
      dd if=/dev/zero of="$1/dd" bs=64k count=20 conv=fsync 2>/dev/null
      test "$(stat -c %s "$1/dd")" = 1310720
      rm -r "$1/copy" "$1/tar" "$1/dd"`;
    await run('sh', ['-c', script, source, mnt]);
    t.same(await client.call('readdirSync', mnt), []);
  });

  t.test('asked for read-only, nothing is written', async (t) => {
    const fs = fileSystem(t);
    fs.file(fs.root, 'file', 'x');
    const { mnt } = await mountFor(t, driver, fs, { readOnly: true });
    t.equal(await client.code('writeFileSync', `${mnt}/new`, ''), 'EROFS');
    t.equal(await client.code('openSync', `${mnt}/file`, constants.O_RDWR), 'EROFS');
    t.equal(await client.code('unlinkSync', `${mnt}/file`), 'EROFS');
  });

  if (!kernel) return;

  t.test('memory-mapped writes arrive, and reads see them', async (t) => {
    const { mnt } = await mount(t);
    const path = `${mnt}/mapped`;
    await client.call('writeFileSync', path, Buffer.alloc(10_000, '.'));
    await client.withOpen(path, 'r', async (fd) => {
      const script = `import mmap, sys
f = open(sys.argv[1], "r+b")
m = mmap.mmap(f.fileno(), 0)
m[0:5] = b"start"; m[9995:10000] = b"end!!"
m.flush(); m.close(); f.close()`;
      await python(script, path);
      t.equal(await client.read(fd, 0, 6), 'start.');
      t.equal(await client.read(fd, 9994, 6), '.end!!');
    });
    t.match(await client.text(path), /^start\.{9990}end!!$/);
  });

  t.test('room is reserved and ranges are copied, as far as the file system can', async (t) => {
    const { mnt } = await mount(t);
    const path = `${mnt}/file`;
    await client.call('writeFileSync', path, 'content');
    await run('fallocate', ['-l', '5000', path]);
    t.equal((await client.call('statSync', path)).size, 5000);
    await t.rejects(run('fallocate', ['-p', '-o', '0', '-l', '3', path]), /unsupported/);
    const copy = `import os, sys
a = os.open(sys.argv[1], os.O_RDONLY); b = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
print(os.copy_file_range(a, b, 4, 3, 1))`;
    const { stdout } = await python(copy, path, `${mnt}/copy`);
    t.equal(stdout.trim(), '4');
    t.equal(await client.text(`${mnt}/copy`), '\0tent');
  });

  t.test('who is interrupted while writing learns what became of it', async (t) => {
    const { fs, mnt } = await mount(t);
    let aborted = 0;
    let finish = (): void => {};
    fs.before = (operation, _node, context) => {
      if (operation !== 'mkdir') return;
      return new Promise((resolve) => {
        finish = resolve;
        context.signal.addEventListener('abort', () => aborted++);
      });
    };
    const child = spawn('mkdir', [`${mnt}/folder`], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
    await until(() => fs.calls.mkdir === 1);
    child.kill('SIGINT');
    await until(() => aborted === 1);
    t.ok(await client.call('existsSync', mnt), 'others go on');
    finish();
    t.equal(await ended, 'SIGINT');
    t.ok(fs.root.children!.has('folder'), 'what had begun was carried through');
  });
}
