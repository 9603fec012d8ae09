import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, Failure } from '../base/errors.js';
import type { Command } from './command.js';

/** Says that a mount helper is ours, so that `uninstall` removes nothing else. */
const MARK = '# mount helper of procorefs: mount(8) runs it for the type "procorefs"';
/** The file name by which mount(8) finds the helper of a file system type. */
const HELPER = 'mount.procorefs';
const PREFIX_FLAG = { flags: '--prefix <P>', help: 'folder of the helper (default: /sbin)' };

const helperPath = (prefix: string | undefined): string => join(prefix ?? '/sbin', HELPER);

/** mount(8) runs helpers with a short PATH, so the script names node and the program by their full paths. */
function helperScript(): string {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  return `#!/bin/sh\n${MARK}\nexec ${quote(process.execPath)} ${quote(main)} mount-helper "$@"\n`;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function existing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Touches the helper only if it is ours. @throws Failure `install-foreign`, `install-denied` */
function changeHelper(path: string, change: () => void): void {
  try {
    const content = existing(path);
    if (content !== undefined && !content.includes(MARK)) throw new Failure('install-foreign', { path });
    change();
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('install-denied', { path }, error);
  }
}

export const install: Command = {
  name: 'install',
  summary: 'let /etc/fstab and mount(8) mount the type procorefs (as root)',
  flags: [PREFIX_FLAG],
  async run(context) {
    const path = helperPath(context.flag('prefix'));
    changeHelper(path, () => {
      mkdirSync(join(path, '..'), { recursive: true });
      const temporary = `${path}.${process.pid}.tmp`;
      writeFileSync(temporary, helperScript());
      chmodSync(temporary, 0o755);
      renameSync(temporary, path);
    });
    context.show({ helper: path }, () =>
      [
        `installed ${path}; a line for /etc/fstab:`,
        'Procore:PROJECT /mnt/procore procorefs noauto,_netdev,allow_other,uid=0,gid=100,umask=027 0 0',
      ].join('\n'),
    );
  },
};

export const uninstall: Command = {
  name: 'uninstall',
  summary: 'remove what install made',
  flags: [PREFIX_FLAG],
  async run(context) {
    const path = helperPath(context.flag('prefix'));
    changeHelper(path, () => rmSync(path, { force: true }));
    context.show({ removed: path }, () => `removed ${path}`);
  },
};
