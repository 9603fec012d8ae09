import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { asNodeId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { BackingFiles } from '#src/fuse/kernel/backing.js';
import { openFlag } from '#src/fuse/kernel/protocol.js';
import { libc } from '#src/fuse/libc.js';
import { scratch } from '../support/net-server.js';

t.test('the kernel reads a node from one file only: another one is read by the daemon', async (t) => {
  const folder = scratch(t);
  const fds: number[] = [];
  const open = (name: string): number => {
    const fd = openSync(join(folder, name), 'a+');
    fds.push(fd);
    return fd;
  };
  const { ioctl } = libc;
  const calls = libc as { ioctl: unknown };
  let ids = 0;
  calls.ioctl = () => ++ids;
  t.teardown(() => {
    calls.ioctl = ioctl;
    for (const fd of fds) closeSync(fd);
  });
  for (const name of ['one', 'two']) writeFileSync(join(folder, name), name);
  const files = new BackingFiles(0, true, silentLog);
  const node = asNodeId(7);
  const isDirect = (fd: number | undefined): boolean => {
    const { flags, backingId } = files.open(node, fd);
    t.equal(backingId, 1, 'the kernel takes no other number while it is open');
    return (flags & openFlag.DIRECT_IO) !== 0;
  };
  t.notOk(isDirect(open('one')));
  t.notOk(isDirect(open('one')), 'the same file by another descriptor');
  t.ok(isDirect(open('two')), 'another file');
  t.ok(isDirect(undefined), 'none');
  t.notOk(isDirect(open('one')));
});
