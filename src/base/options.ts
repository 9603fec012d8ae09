import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { parseBandwidth } from './bandwidth-option.js';
import { Failure } from './errors.js';
import { parseSize } from './size.js';

/**
 * The single definition of every option: the flag (`--name`), the environment variable (`PROCOREFS_NAME`), the key of
 * the configuration file and, where `mount` is set, the option of `-o` and fstab come from these rows.
 */
export interface OptionRow {
  readonly kind: 'string' | 'flag' | 'integer' | 'octal' | 'size' | 'seconds' | 'choice' | 'path' | 'bandwidth';
  readonly help: string;
  readonly default?: string | number | boolean;
  readonly choices?: readonly string[];
  /** Allowed in `-o`. */
  readonly mount?: true;
  /** Shown in help instead of the kind. */
  readonly placeholder?: string;
}

const rows = {
  state: { kind: 'path', help: 'folder for connections, mirrors, caches and logs', placeholder: 'DIR', mount: true },
  log_level: {
    kind: 'choice',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    help: 'how much goes into STATE/log',
    mount: true,
  },
  ro: { kind: 'flag', help: 'read-only', mount: true },
  uid: { kind: 'integer', help: 'owner of everything on the mount (default: who mounts)', mount: true },
  gid: { kind: 'integer', help: 'group of everything on the mount (default: of who mounts)', mount: true },
  umask: { kind: 'octal', help: 'permission bits to take away (022; 077 unless allow_other)', mount: true },
  private: {
    kind: 'choice',
    choices: ['owner', 'hide', 'show'],
    default: 'owner',
    help: 'private items: for the owner of the mount alone, not shown at all, or like others',
    mount: true,
  },
  ci: { kind: 'flag', help: 'find names in any case, and tell those apart that differ only in it; stays', mount: true },
  strict_owner: {
    kind: 'flag',
    help: 'refuse a change of owner or group, which else is accepted and not kept',
    mount: true,
  },
  allow_other: { kind: 'flag', help: 'let other users in, as uid, gid and umask say', mount: true },
  driver: {
    kind: 'choice',
    choices: ['kernel', 'fuse-native'],
    default: 'kernel',
    help: 'who speaks to the kernel; fuse-native is the compatibility driver',
    mount: true,
  },
  cache: { kind: 'size', default: '10GiB', help: 'disk space for cached content', placeholder: 'SIZE', mount: true },
  cache_reserve: {
    kind: 'size',
    default: '1GiB',
    help: 'disk space that the cache leaves free',
    placeholder: 'SIZE',
    mount: true,
  },
  bandwidth: {
    kind: 'bandwidth',
    help: 'bytes per second for downloads and uploads, by time of day: RATE[@HH:MM][/RATE@HH:MM]…, RATE = 2M, off or UP:DOWN',
    placeholder: 'RATES',
    mount: true,
  },
  preview_budget: {
    kind: 'size',
    default: '256MiB',
    help: 'bytes an hour that thumbnailers, indexers and virus scanners may fetch, then EAGAIN',
    placeholder: 'SIZE',
    mount: true,
  },
  budget_wait: {
    kind: 'seconds',
    default: 30,
    help: 'how long an operation waits when the API calls are spent, then EAGAIN',
    placeholder: 'S',
    mount: true,
  },
  settle: {
    kind: 'seconds',
    default: 2,
    help: 'how long a change rests before it goes up',
    placeholder: 'S',
    mount: true,
  },
  delete_delay: {
    kind: 'seconds',
    default: 60,
    help: 'how long a deletion rests before it goes up',
    placeholder: 'S',
    mount: true,
  },
  hold_after: {
    kind: 'integer',
    default: 500,
    help: 'deletions or overwrites in ten minutes that are held until released',
    placeholder: 'N',
    mount: true,
  },
  fsync: {
    kind: 'choice',
    choices: ['local', 'remote'],
    default: 'local',
    help: 'what fsync waits for: this disk, or Procore as well',
    mount: true,
  },
  checkout: { kind: 'flag', help: 'check a file out while it is open for writing', mount: true },
  no_delete: { kind: 'flag', help: 'refuse to delete', mount: true },
  temp: {
    kind: 'string',
    help: 'more names (with * and ?, separated by :) that wait for their rename',
    placeholder: 'PATTERN',
    mount: true,
  },
  copy_out: {
    kind: 'string',
    help: 'copy the project there in the background: a folder, or CONNECTION[:/path]',
    placeholder: 'PLACE',
    mount: true,
  },
  every: { kind: 'seconds', default: 900, help: 'time between two runs of copy_out', placeholder: 'S', mount: true },
  poll: {
    kind: 'seconds',
    help: 'fixed time between two looks for changes (default: 5 s while somebody looks, up to 4 minutes otherwise)',
    placeholder: 'S',
    mount: true,
  },
  idle: {
    kind: 'seconds',
    default: 600,
    help: 'of a company: how long a project stays open after its last use',
    placeholder: 'S',
    mount: true,
  },
} as const satisfies Record<string, OptionRow>;

export type OptionName = keyof typeof rows;
export const optionRows: { readonly [Name in OptionName]: OptionRow } = rows;
export type OptionValues = { readonly [Name in OptionName]?: string | number | boolean };

export const optionNames = Object.keys(rows) as OptionName[];
export const mountOptionNames = optionNames.filter((name) => optionRows[name].mount);
export const flagOf = (name: string): string => `--${name.replaceAll('_', '-')}`;
export const environmentOf = (name: OptionName): string => `PROCOREFS_${name.toUpperCase()}`;

const usage = (what: string): Failure => new Failure('usage', { what });

/** Parses the text of an option. @throws Failure `usage` */
export function parseOption(name: OptionName, text: string): string | number | boolean {
  const row = optionRows[name];
  const bad = (wanted: string): Failure => usage(`${name}=${text} is not ${wanted}`);
  switch (row.kind) {
    case 'flag':
      if (/^(1|true|yes|on|)$/i.test(text)) return true;
      if (/^(0|false|no|off)$/i.test(text)) return false;
      throw bad('true or false');
    case 'integer':
      if (!/^\d{1,10}$/.test(text)) throw bad('a whole number');
      return Number(text);
    case 'octal':
      if (!/^[0-7]{1,4}$/.test(text)) throw bad('an octal number such as 022');
      return Number.parseInt(text, 8);
    case 'seconds': {
      const match = /^(\d+(?:\.\d+)?)(s|m|h|d)?$/.exec(text);
      if (!match) throw bad('a time such as 30, 30s or 15m');
      return Number(match[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[(match[2] ?? 's') as 's' | 'm' | 'h' | 'd'];
    }
    case 'size': {
      const bytes = parseSize(text);
      if (bytes === undefined) throw bad('a size such as 10GiB or 500M');
      return bytes;
    }
    case 'choice':
      if (!row.choices?.includes(text)) throw bad(`one of ${row.choices?.join(', ')}`);
      return text;
    case 'bandwidth':
      parseBandwidth(text);
      return text;
    case 'path':
      return isAbsolute(text) ? text : resolve(text);
    case 'string':
      return text;
  }
}

export interface OptionSources {
  /** From the command line, `-o` included. */
  readonly given: Readonly<Partial<Record<OptionName, string>>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The configuration file's object. */
  readonly file: Readonly<Record<string, unknown>>;
}

/** The values of all options that are set, in this order: command line, environment, configuration file, default. */
export function resolveOptions({ given, environment, file }: OptionSources): OptionValues {
  const values: { -readonly [Name in OptionName]?: string | number | boolean } = {};
  for (const name of optionNames) {
    const text = given[name] ?? environment[environmentOf(name)] ?? file[name] ?? optionRows[name].default;
    if (text !== undefined) values[name] = parseOption(name, String(text));
  }
  return values;
}

/** The state folder if none is given: the system's for root, otherwise the user's (XDG). */
export function defaultStateFolder(
  uid: number | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (uid === 0) return '/var/lib/procorefs';
  const base = environment.XDG_STATE_HOME || join(environment.HOME || homedir(), '.local', 'state');
  return join(base, 'procorefs');
}

/** Options of mount(8) that procorefs passes on to the kernel … */
const KERNEL_OPTIONS = [
  'noexec',
  'nosuid',
  'nodev',
  'noatime',
  'nodiratime',
  'relatime',
  'strictatime',
  'sync',
  'dirsync',
];
/** … and those that are ignored: they have no meaning here, or are for mount(8) and systemd only. */
const IGNORED_OPTIONS =
  /^(rw|defaults|auto|noauto|user|nouser|users|owner|group|_netdev|nofail|exec|suid|dev|async|atime|diratime|norelatime|nostrictatime|lazytime|nolazytime|silent|loud|comment=.*|x-.*|X-.*)$/;

export interface MountOptionText {
  readonly options: Partial<Record<OptionName, string>>;
  readonly generic: readonly string[];
}

/** Splits the text after `-o`. A backslash keeps a comma in a value. @throws Failure `usage` for an unknown option */
export function parseMountOptions(text: string): MountOptionText {
  const options: Partial<Record<OptionName, string>> = {};
  const generic: string[] = [];
  for (const part of text.match(/(?:\\.|[^,])+/g) ?? []) {
    const [key, value] = splitOnce(part.replace(/\\(.)/g, '$1'));
    if (KERNEL_OPTIONS.includes(key)) generic.push(key);
    else if ((mountOptionNames as string[]).includes(key)) {
      if (value === undefined && optionRows[key as OptionName].kind !== 'flag')
        throw usage(`the mount option ${key} needs a value`);
      options[key as OptionName] = value ?? 'true';
    } else if (!IGNORED_OPTIONS.test(part)) {
      throw usage(`unknown mount option "${key}" (known: ${mountOptionNames.join(', ')})`);
    }
  }
  return { options, generic };
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
