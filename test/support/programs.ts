import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scenario } from '../scenarios/scenarios.js';
import { type MountedProject, run } from './mounted.js';
import type { TreeEntry } from './simulator.js';

/** Options under which nothing goes up by itself, and what is asked for goes up at once. */
export const PATIENT = ['-o', 'settle=3600,poll=3600'];
export const settings = { items: 0, oddNames: 'no', spike: 10_000, hourly: 1_000_000 } as const;

export async function drained({ installation, mnt }: MountedProject): Promise<void> {
  await installation.must(['drain', mnt, '--timeout', '240']);
}

/** What the server has, by path. */
export async function atServer({ simulator }: MountedProject): Promise<Map<string, TreeEntry>> {
  return new Map((await simulator.admin.tree()).map((entry) => [entry.path, entry]));
}

/** Runs a program that must succeed; its output. */
export async function must(
  program: string,
  words: readonly string[],
  cwd?: string,
  env = process.env,
): Promise<string> {
  const ran = await run(program, words, { ...(cwd === undefined ? {} : { cwd }), env });
  if (ran.code !== 0)
    throw new Error(`${program} ${words.join(' ')} ended with ${ran.code}: ${ran.stderr}${ran.stdout}`);
  return ran.stdout;
}

/** API calls since `reset`, without those that only ask what is new. */
export async function callsOf({ simulator }: MountedProject): Promise<number> {
  const { total, byRoute } = await simulator.admin.calls();
  return total - (byRoute['GET /rest/v1.0/projects/:id/documents'] ?? 0);
}

/** Has a program save a file that is at the server: that document gets exactly one version more, and nothing else is there. */
export async function savedOnce(
  t: Scenario,
  project: MountedProject,
  file: string,
  save: (path: string) => Promise<unknown>,
  what = file,
): Promise<void> {
  const before = await atServer(project);
  await save(join(project.mnt, file));
  await drained(project);
  const after = await atServer(project);
  const content = await readFile(join(project.mnt, file));
  t.equal(after.get(file)?.id, before.get(file)?.id, `${what}: the same document`);
  t.equal(after.get(file)?.versions, (before.get(file)?.versions ?? 0) + 1, `${what}: one more version`);
  t.equal(after.get(file)?.sha256, createHash('sha256').update(content).digest('hex'), `${what}: its content`);
  t.ok(before.get(file)?.sha256 !== after.get(file)?.sha256, `${what}: something was saved`);
  t.equal([...after.keys()].sort().join('\n'), [...before.keys()].sort().join('\n'), `${what}: nothing else`);
}
