import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { readConfiguration } from '../base/configuration.js';
import { writePrivateFile } from '../connections/files.js';

/** Where machines keep what they share (Filesystem Hierarchy Standard). */
const USUAL = ['/srv', '/mnt', '/media'];
const NONE = /^(none|no|n|-)$/i;

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/**
 * Asks once which folders of this machine users of the HTTP API may make connections below, and writes the answer into the
 * configuration. @param ask asks a person; the second word is what an empty answer means
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
