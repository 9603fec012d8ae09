import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { readConfiguration } from '../base/configuration.js';
import { writePrivateFile } from '../connections/files.js';

/** Usual folders for shared data (Filesystem Hierarchy Standard). */
const USUAL = ['/srv', '/mnt', '/media'];
const NONE = /^(none|no|n|-)$/i;

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/**
 * Asks once below which folders of this machine users of the HTTP API may create connections, and writes the answer to
 * the configuration. @param ask asks the user; its second argument is the default for an empty answer
 */
export async function offerRoots(
  configFile: string,
  ask: (question: string, standard: string) => Promise<string>,
): Promise<void> {
  const configuration = readConfiguration(configFile);
  if (configuration.fs_roots !== undefined) return;
  const some = USUAL.filter(isFolder).join(' ');
  const answer = await ask(
    `Below which folders may users of the HTTP API copy to and from? (such as ${some || '/srv'}; none: of the machine alone)`,
    'none',
  );
  const roots = NONE.test(answer) ? [] : answer.split(/[\s,]+/).filter((one) => one !== '');
  const changed = { ...configuration, fs_roots: roots.map((one) => resolve(one)) };
  writePrivateFile(configFile, `${JSON.stringify(changed, undefined, 2)}\n`);
}
