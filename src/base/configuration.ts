import { closeSync, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type * as z from 'zod';
import { errnoOf, Failure } from './errors.js';
import { optionRows } from './options.js';
import { refuseForeign, refuseOpen } from './ownership.js';

/** Keys of the configuration file that are no options, and what they configure. */
export const configurationSections = {
  allowed_hosts: 'hosts beside public ones that users of the HTTP API may have contacted',
  default_client: 'the app that connections use which name none',
  fs_roots: 'folders below which users of the HTTP API may make connections',
  hosts: 'names that requests may call `procorefs serve` by, beside those of this machine',
  mounts: 'what `procorefs serve` mounts',
  notify: 'who is told of jobs that fail, flag items or are overdue, of sign-ins that ended, of changes that wait',
  programs: 'commands by name: all that users of the HTTP API may have run',
  trusted_proxies: 'addresses and networks whose word on where a request to `procorefs serve` comes from is taken',
} as const satisfies Record<string, string>;

/**
 * The object in the configuration file: options by name, and sections. A missing file counts as an empty object. The
 * file names programs to run and hosts to contact, so only its user and root may be able to write to it.
 * @throws Failure `usage` if it is no JSON object or has an unknown key; `state-foreign`, `state-unsafe`
 */
export function readConfiguration(path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readOwn(path));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not an object');
    for (const key of Object.keys(value))
      if (!Object.hasOwn(optionRows, key) && !Object.hasOwn(configurationSections, key))
        throw new Error(`it has an unknown key "${key}"`);
    return value as Record<string, unknown>;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {};
    if (error instanceof Failure) throw error;
    throw new Failure('usage', { what: `the configuration file ${path} cannot be used` }, error);
  }
}

/** Reads a section of the configuration file. @throws Failure as `readConfiguration`; `usage` for an invalid section */
export function readSection<T extends z.ZodType>(
  path: string,
  name: keyof typeof configurationSections,
  schema: T,
): z.output<T> {
  const parsed = schema.safeParse(readConfiguration(path)[name]);
  if (parsed.success) return parsed.data;
  const { path: where, message } = parsed.error.issues[0]!;
  const cause = new Error([...where, message].join(': '));
  throw new Failure('usage', { what: `"${name}" in ${path} cannot be used` }, cause);
}

function readOwn(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const found = fstatSync(fd);
    refuseForeign(path, found);
    refuseOpen(path, found, 0o022);
    // An address or command for notifications may contain a token. The state folder protects the file; if it is a link
    // to a file elsewhere, the file itself must not be readable by others.
    const text = readFileSync(fd, 'utf8');
    const isElsewhere = dirname(realpathSync(path)) !== realpathSync(dirname(path));
    if (isElsewhere && /"(?:url|command)"/.test(text)) refuseOpen(path, found, 0o077);
    return text;
  } finally {
    closeSync(fd);
  }
}
