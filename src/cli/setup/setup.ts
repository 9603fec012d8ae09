import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Failure } from '../../base/errors.js';
import { defaultStateFolder } from '../../base/options.js';
import { oneLine } from '../../base/text.js';
import type { Connection } from '../../connections/connection.js';
import { Connections, isTarget } from '../../connections/store.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import { scheduleSchema } from '../../jobs/definition/schedule-schema.js';
import { nextRun } from '../../jobs/schedule/next-run.js';
import type { Command, CommandContext } from '../command.js';
import { offerRoots } from '../fs-roots.js';
import { Shell } from '../shell.js';
import { StandardInput } from '../terminal.js';
import { fstabLine, putFstabLine } from './fstab.js';
import { Questions } from './questions.js';

/**
 * From 22:00, repeated every hour until 06:00: what the hourly rate limit cuts off continues in the same night.
 */
const NIGHTLY = {
  mode: 'auto',
  run_at: { hr: 22 },
  start_window: { hr: 22 },
  end_window: { hr: 6 },
  repeat_interval: { value: 1, unit: 'h' },
} as const;

const NONE = /^(none|no|n|-)$/i;
const FSTAB = '/etc/fstab';
const LISTED_PROJECTS = 20;

export const setup: Command = {
  name: 'setup',
  summary: 'five questions, each with a default: account, project, mount, fstab line, nightly copy-out',
  flags: [
    { flags: '--connection <NAME>', help: 'a connection that is there; new makes one' },
    { flags: '--client-id <ID>', help: "of a new connection: the app's client id; its secret is asked for" },
    { flags: '--company <ID>', help: 'of a new connection' },
    { flags: '--domain <LOGIN_URL>', help: 'of a new connection: login or API host (default: production)' },
    { flags: '--api <URL>', help: 'of a new connection: API host, where it cannot be told from the domain' },
    { flags: '--project <NAME>', help: 'name or id' },
    { flags: '--mountpoint <DIR>', help: 'made if it is not there' },
    { flags: '--fstab <FILE>', help: `file for the line of the mount (${FSTAB} as root), or no: it is only printed` },
    { flags: '--prefix <P>', help: 'folder of the helper of mount(8) (default: /sbin)' },
    { flags: '--copy-to <PLACE>', help: 'where a copy goes every night: a folder, CONNECTION:[/path], or none' },
    { flags: '--fs-roots <FOLDERS>', help: 'folders that users of the HTTP API may copy to and from, or none' },
    { flags: '--yes', help: 'take each default' },
  ],
  async run(context) {
    const input = new StandardInput();
    try {
      await run(context, input);
    } finally {
      input.close();
    }
  },
};

async function run(context: CommandContext, input: StandardInput): Promise<void> {
  const say = (line: string): void => (context.json ? void process.stderr.write(`${line}\n`) : context.print(line));
  const state = context.state();
  const shell = new Shell({ ...process.env, PROCOREFS_STATE: state.path }, say, 'setup-failed');
  const questions = new Questions(context, input, say);
  const connections = new Connections(state.path);
  const isRoot = process.getuid?.() === 0;

  const connection = await signedIn(context, connections, questions, shell);
  const source = await project(connection, questions, shell, say);

  const standard = isRoot ? '/mnt/procore' : join(homedir(), 'Procore');
  const mountpoint = resolve(await questions.ask('Where is it to be mounted?', standard, 'mountpoint'));
  mkdirSync(mountpoint, { recursive: true });
  if (state.mount(mountpoint)?.source === source && (await answers(shell, mountpoint)))
    say(`${mountpoint} is mounted already`);
  else await shell.show('procorefs', ['mount', source, mountpoint]);

  const options = ['_netdev', 'nofail', ...(isStandard(state.path) ? [] : [`state=${state.path}`])];
  const line = fstabLine(source, mountpoint, options);
  const file = await questions.ask('Mount it at every start, by a line in', isRoot ? FSTAB : 'no', 'fstab');
  const fstab = NONE.test(file) ? undefined : resolve(file);
  if (fstab) {
    const prefix = context.flag('prefix');
    await shell.show('procorefs', ['install', ...(prefix === undefined ? [] : ['--prefix', prefix])], { lines: 1 });
    putFstabLine(fstab, line);
  }
  say(`${fstab ? `${fstab} has the line` : 'the line for /etc/fstab would be'}\n  ${line}`);

  const job = await nightly(source, isRoot, questions, shell, say);
  await offerRoots(state.configFile, (question, none) => questions.detail(question, none, 'fsRoots'));
  const now = Date.now();
  const next = job && nextRun(scheduleSchema.parse(job.schedule), { now, createdOn: job.created_on * 1000, runs: 0 });
  if (next !== undefined) say(`\nNext run of the copy-out: ${new Date(next).toLocaleString()}`);
  const result = {
    connection: connection.name,
    source,
    mountpoint,
    fstab: { file: fstab, line },
    job: job && { id: job.id, name: job.name, next_run: next === undefined ? undefined : new Date(next).toISOString() },
    commands: shell.commands,
  };
  context.show(result, () =>
    [`\nDone. The same by hand:`, ...shell.commands.map((command) => `  ${command}`)].join('\n'),
  );
}

const isStandard = (path: string): boolean => path === defaultStateFolder(process.getuid?.(), {});

/** An existing connection, or a new one. */
async function signedIn(
  context: CommandContext,
  connections: Connections,
  questions: Questions,
  shell: Shell,
): Promise<Connection> {
  const known = connections.all().filter((one): one is Connection => !isTarget(one));
  const standard = context.flag('clientId') === undefined ? (known[0]?.name ?? 'new') : 'new';
  const names = known.length === 0 ? '' : ` (${known.map(({ name }) => name).join(', ')}, or new)`;
  const name = await questions.ask(`Which account at Procore?${oneLine(names)}`, standard, 'connection');
  if (name !== 'new') {
    await shell.show('procorefs', ['connections', 'test', name]);
    return connections.get(name);
  }
  const words = ['connections', 'add'];
  const id = await questions.detail("client id of the app, empty for this installation's", '', 'clientId');
  let secret = '';
  if (id !== '') {
    secret = await questions.secret('client secret');
    words.push('--client-id', id, '--client-secret-file', '-');
  }
  const company = await questions.detail('number of the company, empty for any', '', 'company');
  if (company !== '') words.push('--company', company);
  for (const flag of ['domain', 'api']) {
    const value = context.flag(flag);
    if (value !== undefined) words.push(`--${flag}`, value);
  }
  const before = new Set(known.map((one) => one.id));
  await shell.show('procorefs', words, { input: `${secret}\n` });
  const added = connections.all().find((one): one is Connection => !isTarget(one) && !before.has(one.id));
  if (!added) throw new Failure('internal', { why: 'the connection that was added is not there' });
  return added;
}

interface Seen {
  readonly id: number;
  readonly name: string;
  readonly access: string;
}

/** The source to mount, as `CONNECTION:PROJECT`. */
async function project(
  connection: Connection,
  questions: Questions,
  shell: Shell,
  say: (line: string) => void,
): Promise<string> {
  const bound = connection.project;
  const all =
    bound === undefined
      ? (JSON.parse(await shell.procorefs(['projects', connection.name, '--json'])) as Seen[])
      : [{ id: bound, name: String(bound), access: 'write' }];
  if (all.length === 0)
    throw new Failure('usage', {
      what: `"${connection.name}" sees no project: permit one in the company's App Management`,
    });
  if (all.length > 1) {
    say('\nProjects:');
    for (const { id, name, access } of all.slice(0, LISTED_PROJECTS)) say(`  ${id}  ${oneLine(name)}  (${access})`);
    if (all.length > LISTED_PROJECTS) say(`  … ${all.length - LISTED_PROJECTS} more (procorefs projects)`);
  }
  const rank = ({ access }: Seen): number => ['write', 'read'].indexOf(access) & 3;
  const best = all.toSorted((a, b) => rank(a) - rank(b))[0]!;
  const answer = await questions.ask('Which project?', best.name, 'project');
  return bound === undefined ? `${connection.name}:${answer}` : `${connection.name}:`;
}

async function answers(shell: Shell, mountpoint: string): Promise<boolean> {
  const status = JSON.parse(await shell.procorefs(['status', '--json', mountpoint])) as { readonly state: string };
  return status.state !== 'dead';
}

/** The nightly copy-out job, created unless it exists; undefined if the user wants none. */
async function nightly(
  source: string,
  isRoot: boolean,
  questions: Questions,
  shell: Shell,
  say: (line: string) => void,
): Promise<Job | undefined> {
  const standard = isRoot ? '/srv/procore' : join(homedir(), 'Procore copy');
  const to = await questions.ask('Where is a copy to go every night? (none: nowhere)', standard, 'copyTo');
  if (NONE.test(to)) return undefined;
  const place = /^[./~]|^[^:]*$/.test(to) ? resolve(to.replace(/^~(?=\/|$)/, homedir())) : to;
  const name = `nightly copy-out of ${oneLine(source, 150)}`;
  const jobs = JSON.parse(await shell.procorefs(['jobs', 'list', '--json'])) as Job[];
  const known = jobs.find((job) => job.name === name);
  if (known) {
    say(`the job "${name}" is there already`);
    return known;
  }
  if (place.startsWith('/') && !existsSync(place)) say(`${place} is made by the first run`);
  const words = ['--from', source, '--to', place, '--schedule', JSON.stringify(NIGHTLY)];
  await shell.show('procorefs', ['jobs', 'add', name, ...words]);
  return JSON.parse(await shell.procorefs(['jobs', 'show', name, '--json'])) as Job;
}
