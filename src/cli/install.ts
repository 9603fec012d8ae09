import { chmodSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, Failure } from '../base/errors.js';
import type { Command } from './command.js';
import { atFault, atFaultFunction, quote, rootRuns } from './root-only.js';

/** Marks a mount helper as written by this program, so that `uninstall` removes no other. */
const MARK = '# mount helper of procorefs: mount(8) runs it for the type "procorefs"';
/** The file name by which mount(8) finds the helper of a file system type. */
const HELPER = 'mount.procorefs';
const PREFIX_FLAG = { flags: '--prefix <P>', help: 'folder of the helper (default: /sbin)' };

const helperPath = (prefix: string | undefined): string => join(prefix ?? '/sbin', HELPER);

/**
 * mount(8) runs helpers with a short PATH, so the script names node and the program by their full paths. It
 * runs neither if users other than root can change what it runs.
 * @throws Failure `install-unsafe`
 */
function helperScript(): string {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const runs = rootRuns(realpathSync(process.execPath), realpathSync(main));
  const path = atFault(runs);
  if (path !== undefined) throw new Failure('install-unsafe', { path });
  const [before = '', after = ''] = new Failure('install-unsafe', { path: '@' }).line.split('@');
  return [
    '#!/bin/sh',
    MARK,
    atFaultFunction(runs),
    'fault=$(at_fault)',
    `if [ -n "$fault" ]; then printf '%s%s%s\\n' ${quote(`procorefs: ${before}`)} "$fault" ${quote(after)} >&2; exit 1; fi`,
    'unset NODE_OPTIONS NODE_PATH',
    `exec ${quote(runs.node)} ${quote(runs.main)} mount-helper "$@"`,
    '',
  ].join('\n');
}

function existing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Changes the helper only if this program wrote it. @throws Failure `install-foreign`, `install-denied` */
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
    const script = helperScript();
    changeHelper(path, () => {
      mkdirSync(join(path, '..'), { recursive: true });
      const temporary = `${path}.${process.pid}.tmp`;
      rmSync(temporary, { force: true });
      writeFileSync(temporary, script, { flag: 'wx' });
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
