import { Failure } from '../base/errors.js';
import { type LogLevel, openLog } from '../base/log.js';
import { analyzeSource } from '../daemon/jobs/analyze.js';
import { projectOptions } from '../daemon/run.js';
import type { Analysis, FirstOf } from '../jobs/analyze/analyze.js';
import { isPlatform, platformNames, platforms } from '../names/platforms.js';
import type { Command } from './command.js';
import { numberFlag } from './flags.js';
import { bytes, columns, plural } from './format.js';

/** Entries of each list in the text and JSON output. */
const SHOWN_ENTRIES = 10;
const LISTED_ENTRIES = 1000;

export const analyzeCommand: Command = {
  name: 'analyze',
  arguments: '<source>',
  summary: 'what is in a project, a target or a folder, and what of it a platform would refuse; no call once mirrored',
  flags: [
    { flags: '--for <platform>', help: `${platformNames.join(', ')} (linux for a project, else procore)` },
    { flags: '--most <N>', help: `entries of each list (${SHOWN_ENTRIES}; with --json ${LISTED_ENTRIES})` },
  ],
  async run(context) {
    const platform = context.flag('for');
    if (platform !== undefined && !isPlatform(platform))
      throw new Failure('usage', { what: `--for is one of ${platformNames.join(', ')}, not "${platform}"` });
    const most = numberFlag(context, 'most') ?? (context.json ? LISTED_ENTRIES : SHOWN_ENTRIES);
    const options = context.options();
    const state = context.state();
    const { log, close } = openLog(options.log_level as LogLevel, state.log('jobs'));
    const stop = new AbortController();
    const interrupt = (): void => stop.abort(new Failure('interrupted'));
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    try {
      const given = { state, options, projectOptions: projectOptions(options), log };
      const found = await analyzeSource(context.argument(0), { platform, most, signal: stop.signal }, given);
      context.show(found, () => describe(found));
    } finally {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
      close();
    }
  },
};

function describe(found: Analysis): string {
  const { title } = platforms[found.platform];
  const { problems, collisions, duplicates, checkedOut, unreadable } = found;
  const counted = (of: readonly { readonly files: number; readonly bytes: number }[], names: readonly string[]) =>
    of.map((one, n) => [`  ${names[n]}`, plural(one.files, 'file'), bytes(one.bytes)]);
  return [
    `${found.source}: ${plural(found.files, 'file')} in ${plural(found.folders, 'folder')}, ${bytes(found.bytes)}`,
    ...section(
      'types',
      counted(
        found.types,
        found.types.map(({ type }) => type),
      ),
    ),
    ...section(
      'ages',
      counted(
        found.ages,
        found.ages.map(({ age }) => age),
      ),
    ),
    ...section(
      'largest',
      found.largest.map(({ path, size }) => [`  ${bytes(size)}`, path]),
    ),
    ...list(`names and paths that ${title} does not take`, problems, ({ path, words, suggestion }) => [
      `  ${path}`,
      `${words}${suggestion === undefined ? '' : `; try "${suggestion}"`}`,
    ]),
    ...list(`names that are one name for ${title}`, collisions, ({ path, other }) => [`  ${path}`, other]),
    ...section(
      `probably the same: ${plural(duplicates.files, 'file')} beyond the first of ${plural(duplicates.groups, 'group')}, ${bytes(duplicates.bytes)}`,
      duplicates.largest.map(({ size, count, paths }) => [`  ${count} × ${bytes(size)}`, paths.join('  ')]),
    ),
    ...list('checked out', checkedOut, ({ path, by }) => [`  ${path}`, by]),
    ...list('private', found.private, (path) => [`  ${path}`]),
    ...list('could not be listed', unreadable, ({ path, why }) => [`  ${path}`, why]),
    `${plural(found.calls, 'API call')}`,
  ].join('\n');
}

const section = (title: string, rows: readonly (readonly string[])[]): string[] =>
  rows.length === 0 ? [] : ['', title, columns(rows)];

function list<T>(title: string, { count, items }: FirstOf<T>, row: (one: T) => readonly string[]): string[] {
  if (count === 0) return [`${title}: none`];
  const more = count > items.length ? [`  … ${plural(count - items.length, 'more', 'more')}`] : [];
  return [...section(`${title}: ${count.toLocaleString('en-US')}`, items.map(row)), ...more];
}
