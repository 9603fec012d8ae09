import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Layout } from '#src/fuse/kernel/protocol.js';
import * as protocol from '#src/fuse/kernel/protocol.js';
import * as reading from '#src/fuse/kernel/reading.js';
import type { Message } from '#src/fuse/kernel/session.js';
import * as writing from '#src/fuse/kernel/writing.js';
import { fuseFolder } from '../support/fuse-mount.js';

const HEADER = '/usr/include/linux/fuse.h';
const missing = !existsSync(HEADER) && 'linux/fuse.h is missing: run `apt-get install linux-libc-dev` as root';

/** C expressions → what the compiler makes of them. */
function compile(folder: string, expressions: readonly string[]): Map<string, number> {
  const lines = expressions.map((text) => `printf("%llu\\n", (unsigned long long)(${text}));`);
  const source = `#include <stddef.h>\n#include <stdio.h>\n#include <linux/fuse.h>\n#include <linux/fs.h>\n#include <linux/xattr.h>\nint main(void) { ${lines.join('\n')} }`;
  writeFileSync(join(folder, 'abi.c'), source);
  execFileSync('cc', ['-o', join(folder, 'abi'), join(folder, 'abi.c')]);
  const numbers = execFileSync(join(folder, 'abi')).toString().trim().split('\n').map(Number);
  return new Map(expressions.map((text, i) => [text, numbers[i]!]));
}

t.test('layouts, numbers and flags are those of the kernel header', { skip: missing }, async (t) => {
  const expected = new Map<string, number>();
  const messages: Readonly<Record<string, Message<unknown>>> = { ...reading.reading, ...writing.writing };
  const opcodes = Object.entries(messages).map(([name, { opcode }]) => [name, opcode] as const);
  const structs: Readonly<Record<string, Layout<string>>> = Object.assign(
    { ...protocol.structs },
    ...Object.values(messages).map((message) => message.structs),
  );
  for (const [name, { size, at }] of Object.entries(structs)) {
    expected.set(`sizeof(struct fuse_${name})`, size);
    for (const [field, offset] of Object.entries(at)) expected.set(`offsetof(struct fuse_${name}, ${field})`, offset);
  }
  const groups: [string, Readonly<Record<string, number>>][] = [
    ['FUSE_', protocol.opcode],
    ['FUSE_', Object.fromEntries(opcodes)],
    ['FUSE_NOTIFY_', protocol.notifyCode],
    ['FUSE_', protocol.initFlag],
    ['FOPEN_', protocol.openFlag],
    ['FATTR_', writing.setattrFlag],
  ];
  for (const [prefix, values] of groups) {
    for (const [name, value] of Object.entries(values)) expected.set(`${prefix}${name}`, value);
  }
  expected.set('FUSE_GETATTR_FH', reading.GETATTR_FH);
  expected.set('FUSE_FSYNC_FDATASYNC', writing.FSYNC_FDATASYNC);
  expected.set('FUSE_COMPAT_SETXATTR_IN_SIZE', writing.SETXATTR_IN.size);
  expected.set('offsetof(struct fuse_setxattr_in, flags)', writing.SETXATTR_IN.at.flags);
  expected.set('RENAME_NOREPLACE', writing.renameFlag.NOREPLACE);
  expected.set('XATTR_CREATE', writing.xattrFlag.CREATE);
  expected.set('XATTR_REPLACE', writing.xattrFlag.REPLACE);
  expected.set('FUSE_MIN_READ_BUFFER', protocol.MIN_READ_BUFFER);
  expected.set('FUSE_KERNEL_VERSION', protocol.PROTOCOL.major);

  // What is newer than the installed header can only be compared where the header has it.
  const header = readFileSync(HEADER, 'utf8');
  const newer: [string, string, number][] = [
    ['FUSE_PASSTHROUGH', 'FUSE_PASSTHROUGH >> 32', protocol.initFlag2.PASSTHROUGH],
    ['FOPEN_PASSTHROUGH', 'FOPEN_PASSTHROUGH', protocol.OPEN_PASSTHROUGH],
    ['FUSE_DEV_IOC_BACKING_OPEN', 'FUSE_DEV_IOC_BACKING_OPEN', protocol.ioctlCode.BACKING_OPEN],
    ['FUSE_DEV_IOC_BACKING_CLOSE', 'FUSE_DEV_IOC_BACKING_CLOSE', protocol.ioctlCode.BACKING_CLOSE],
    ['FUSE_NOTIFY_INC_EPOCH', 'FUSE_NOTIFY_INC_EPOCH', protocol.notifyCode.INC_EPOCH],
  ];
  expected.delete('FUSE_NOTIFY_INC_EPOCH');
  for (const [word, expression, value] of newer) {
    if (new RegExp(`\\b${word}\\b`).test(header)) expected.set(expression, value);
  }
  if (/\bbacking_id\b/.test(header)) {
    expected.delete('offsetof(struct fuse_open_out, padding)');
    expected.set('offsetof(struct fuse_open_out, backing_id)', protocol.structs.open_out.at.padding);
    expected.delete('offsetof(struct fuse_init_out, unused)');
    expected.set('offsetof(struct fuse_init_out, max_stack_depth)', protocol.structs.init_out.at.unused);
  }
  const found = compile(fuseFolder(t), [...expected.keys()]);
  t.same(Object.fromEntries(found), Object.fromEntries(expected));
});
