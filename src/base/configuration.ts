import { readFileSync } from 'node:fs';
import { errnoOf, Failure } from './errors.js';
import { optionRows } from './options.js';

/** Keys of the configuration file that are no options, and what reads them. */
export const configurationSections = {
  default_client: 'the app that connections use which name none',
  mounts: 'what `procorefs serve` mounts',
  notify: 'who is told of jobs that fail, flag items or are overdue, of sign-ins that ended, of changes that wait',
} as const satisfies Record<string, string>;

/**
 * The configuration file's object: options by name, and sections. A missing file is an empty one.
 * @throws Failure `usage` for what is no JSON object, and for a key that nothing reads
 */
export function readConfiguration(path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not an object');
    for (const key of Object.keys(value))
      if (!Object.hasOwn(optionRows, key) && !Object.hasOwn(configurationSections, key))
        throw new Error(`it has an unknown key "${key}"`);
    return value as Record<string, unknown>;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {};
    throw new Failure('usage', { what: `the configuration file ${path} cannot be used` }, error);
  }
}
