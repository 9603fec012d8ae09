import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { conflictPolicies } from './definition/conflicts.js';
import { refusedKeys, transferKeys, transferSchema } from './definition/transfer-schema.js';
import { DELETE_PROPAGATIONS, TRANSFER_TYPES, type TransferType } from './definition/words.js';
import type { EndpointItem } from './endpoint.js';
import { type Action, decideFile, type Situation } from './plan/decide.js';

/** What each key of a transfer does. */
const KEYS: Readonly<Record<string, string>> = {
  transfer_type: `${TRANSFER_TYPES.join(', ')}: see the table below`,
  conflict_resolution: `a file changed on both sides: ${Object.entries(conflictPolicies)
    .map(([word, { words }]) => `${word} (${words})`)
    .join(', ')}`,
  delete_propagation: `${DELETE_PROPAGATIONS.join(', ')}: whose deletions are not carried to the other side`,
  segment_transform: 'characters that the destination forbids are replaced; into Procore only when asked for',
  encode_invalid_characters: 'they are encoded reversibly instead',
  segment_truncate: 'names that are too long are cut, the extension stays',
  duplicate_names: 'two names that are one at the destination: rename the second, or warn',
  empty_containers:
    'create or skip folders with nothing in them; a platform that has none leaves them out, with the reason',
  large_item: 'a file above the limit of the destination: fail (flagged) or skip',
  failure_policy:
    'an item that fails: continue with the others, or halt the run; before it touches anything where the plan shows it',
  versioning:
    'select latest, or all versions, oldest first and only those since the last run; all is refused unless what is written to keeps versions. preserve none is latest',
  timestamps: 'times of modification: kept where the destination can, unless false; true is refused where it cannot',
  lock_propagation: 'ignore, or skip: leaves out files that somebody else has checked out',
  performance:
    'retries of an item, parallel_writes (requested, at most max and what the platform takes well), upload and download: bytes_per_second, and window by time of day (beside windows, bytes_per_second holds from midnight until the first one)',
  filter: 'rules by extension, name, path, size, date, hidden, private; excludes win',
  audit_level:
    'what `jobs report --audit` shows: error what failed, warn also what was flagged or put off, info also the run, what was left alone and how conflicts were settled, debug also each item, trace also each attempt; none',
  simulation_mode: 'each run only says what it would do',
  delete_guard:
    'deletions within 24 hours, over all runs, above which those of a run are held until `jobs run --allow-deletions`, whose own do not count; false: never',
  trash_days:
    'days that what was deleted or overwritten stays in `.procorefs-trash/DATE` of the side where it was; 0: gone at once',
  names_from: 'a job whose renamed items get their first names back',
};

const SAID: Readonly<Record<Action, string>> = {
  none: 'nothing',
  adopt: 'nothing, noted as the same',
  compare: 'bytes are compared',
  copy: 'source → destination',
  'copy-back': 'destination → source',
  conflict: 'conflict_resolution',
  delete: 'deleted at the destination',
  'delete-source': 'deleted at the source',
  forget: 'nothing',
  'clear-source': 'leaves the source',
  flag: 'flagged',
  skip: 'left, with the reason',
};

const BEFORE = { size: 1, mtime: 1000, version: undefined };
const file = (size: number): EndpointItem => ({ path: 'a', name: 'a', folder: false, size, mtime: 1000 });
const [same, changed] = [file(1), file(2)];
const record = { source: BEFORE, destination: BEFORE };

type Case = Omit<Situation, 'grains'>;
const CASES: readonly (readonly [string, Case])[] = [
  ['new at the source', { source: same, destination: undefined, record: undefined }],
  ['new at the destination', { source: undefined, destination: same, record: undefined }],
  ['changed at the source', { source: changed, destination: same, record }],
  ['changed at the destination', { source: same, destination: changed, record }],
  ['changed on both sides', { source: changed, destination: file(3), record }],
  ['deleted at the source', { source: undefined, destination: same, record }],
  ['deleted at the destination', { source: same, destination: undefined, record }],
  ['unchanged', { source: same, destination: same, record }],
];

/** What is done by the default `delete_propagation`, and by `mirror` where that differs. */
function cellOf(type: TransferType, situation: Case): string {
  const [standard, mirror] = (['ignore_source', 'mirror'] as const).map(
    (deletions) =>
      SAID[
        decideFile(
          { ...situation, grains: { source: 1, destination: 1, between: 1 } },
          { type, conflicts: 'copy', deletions },
        ).action
      ],
  );
  return standard === mirror ? standard! : `${standard}; mirror: ${mirror}`;
}

/** The documentation page of jobs, as Markdown. Run as a program (`npm run docs`) this module writes it. */
export function jobsPage(): string {
  const side = { connection: { id: 'x' } };
  const defaults = transferSchema.parse({ source: side, destination: side }) as Readonly<Record<string, unknown>>;
  const shown = (key: string): string => {
    const value = defaults[key];
    if (value === undefined) return '';
    return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
  };
  return `# Jobs

A job transfers between two connections, of which either may be Procore. \`procorefs jobs add\` defines one, by words or by
the JSON body of \`POST /v1/jobs\` (\`--file\`); \`--set KEY=VALUE\` reaches every key, with dots into objects.

Generated by \`npm run docs\` from src/jobs.

## Keys of a transfer

| key | default | does |
|---|---|---|
${transferKeys.map((key) => `| \`${key}\` | ${shown(key)} | ${KEYS[key]} |`).join('\n')}

\`jobs add\` without \`--type\` makes a copy. Refused by name, with the reason: ${Object.entries(refusedKeys)
    .map(([key, reason]) => `\`${key}\` (${reason})`)
    .join('; ')}.

## What happens to a file

By the job's memory of the last run. A change wins over a deletion. \`taxonomy\` makes folders alone.

| | ${TRANSFER_TYPES.filter((type) => type !== 'taxonomy').join(' | ')} |
|---|${'---|'.repeat(TRANSFER_TYPES.length - 1)}
${CASES.map(
  ([words, situation]) =>
    `| ${words} | ${TRANSFER_TYPES.filter((type) => type !== 'taxonomy')
      .map((type) => cellOf(type, situation))
      .join(' | ')} |`,
).join('\n')}

## What keeps it safe

- **Deletions** are carried only when both listings were whole, and the side that lacks an item says that it was deleted
  (or has it elsewhere by now): see *What counts as deleted*. More than \`delete_guard\` of them within 24 hours are held and
  flagged.
- **What was seen.** A file is deleted, replaced or moved away only while both ends are what the plan or the records say;
  a folder is listed again, and one new or changed item keeps all of it. What is not as it was stays, is flagged as changed,
  and is the next run's. What somebody saves in Procore between a job's last look and the job's own version is kept beside
  it, as \`stem (conflict HOST DATE).ext\`, and the file is flagged. A \`move\` compares bytes where no hash tells; only \`publish\` replaces what it
  does not know, but what was kept so it leaves alone, and flags.
- **Trash.** What a job deletes or overwrites on a folder or a share first gets a hidden name beside its place, and is looked
  at there: if it is not what was seen, it goes back under its name, or under that of a conflict where somebody has taken
  it. Then it goes to \`.procorefs-trash/DATE/\`; with \`trash_days=0\` it is gone. The hidden name says what was seen: what a
  killed process left there is brought back, or put into the trash if it is what was seen and is replaced, by the next run of
  any job that lists the folder. A note beside the day's folder says how
  long it stays and which job put things there (the longest counts; without a note 30 days, or \`trash_days\` if that is
  more). A job empties only sides that it writes; its audit says what went. Procore has its recycle bin and its versions:
  before the first removal of a run it is polled once more; a file takes 1 call, a folder with something in it 3.
- **Several jobs** may read and write one folder. What one is about to replace is not missing for another: it waits for its next
  run. Each writes parts of its own. What begins with \`.procorefs-\`, in any folder, is nothing that is transferred or deleted;
  a folder with a trash in it goes to the trash with it, or stays.
- **What remains.** On a disk of this machine nothing comes in between: names are exchanged in one step. A mounted share, SMB
  and rsync rename first and look then, so that a file has no name for the moment of a replacement; between the last look
  and the rename of a new file lies one round trip (SMB servers refuse it then). Through rclone that holds where the storage
  can rename (WebDAV, SFTP, FTP, most clouds); object stores copy and delete, and a file that appears only when it is
  complete (\`put\`) replaces what came during its upload, unless \`trash_days\` moved the old one away before. A folder goes to
  the trash of an object store before the second look, and what came into it stays there. What a program
  writes through an open file after the look is in the trash, and lost with \`trash_days=0\`.
- **Names.** A platform may list a name in another Unicode form or case than it was given in. Before an item counts as
  missing it is looked for under the names that one of the sides takes for the same; the listed one is recorded. What a
  folder makes of names is tried out where it may be written to.
- **What is private** in Procore is for its owner alone in a folder of this machine (0700, files 0600), from its first
  byte on, and as soon as a run sees that it became so; what a folder has for its owner alone is made so in another one. A job gives nothing to others again: that takes \`chmod\`. Other
  targets keep no such permissions: everybody who can read there can read them. \`jobs estimate\` counts both; the filter
  \`filter_private\` leaves private items out. New content keeps the permissions of the file that it replaces, without setuid.
- **Nothing half written** has its final name. Each file's size is verified, and its hash where the target has one.
- **Resume.** What is done with each item is kept in SQLite: the run after a crash, a pause or the end of the hour goes on
  with what is left, first of all. What somebody saves or removes while it is read is the next run's. A broken file goes on
  where it was, if its version or a hash says that it is the same content, and begins anew if only size and time do: on a
  folder, a share or a server with rsync
  what is there is not sent again; rclone sends a file anew, from the copy on this machine. Above
  100 MiB Procore takes a file in segments of 32 MiB: those that arrived are not sent again within 55 minutes of the first
  (then the server forgets them), and a whole upload of which nothing was made yet not within a week.
- **On this machine** what a program must be told of an account, and content that is made complete before it is sent, lie
  below the state folder (0700, 0600). What a killed process left there is removed by the next one, a staged file that
  nobody went on with after a week.

## What counts as deleted

What may not be seen any more is not deleted. An item that was transferred and is not listed any more is flagged (*no longer
visible*) and left alone on both sides, a folder with all that is below it, unless the side that lacks it says what
became of it. When it shows again, the next run goes on with it.

| a project lists by | what is in the recycle bin | what may not be seen any more | price |
|---|---|---|---|
| crawl, polls and sweeps: the index | has its row, with \`is_deleted\`: deleted | has no row | none beyond the run's poll |
| a folder (watched, refreshed, in doubt in a sweep) | lacks it, as what was moved or may not be seen | lacks it | none beyond the listing |
| neither says that it was deleted | the bin is asked, 2,000 items a page | is not in it: flagged | 1 call a run at most (5 more for a bin of several pages), and none for what was asked for within the last 15 minutes |

What is in a deleted folder is deleted with it; what has another name or folder now was moved, and goes from its old place.
An account that may not see the recycle bin is told of no deletion: all are flagged.

What a listing of a target lacks is asked for by name: some are late, or leave names out. What is not there then either is
gone. But where a file system was mounted (the folder itself,
or one below it) and is not any more, nothing is missing: the job waits, or flags that folder. Where folders are only what
their files imply (object stores), none is ever deleted at the other side because it is missing there.

## Schedules

\`--schedule\` takes \`manual\`, \`auto\`, \`ad-hoc\`, \`every 15m\`, \`daily 02:00\`, \`weekdays 21:30\`, or JSON. \`auto\` runs now and
15 minutes (\`repeat_interval\`) after the end of the last run; \`run_at\` at these times; \`run_at\` with \`repeat_interval\` from
there on till the window (or the day) ends, which is what a nightly job wants that the hourly limit may cut. A time that
passed while the machine was off is made up for once.

A scheduled run that finds an end away (a share that is not mounted, a server or the network that does not answer) is not
skipped: the job looks again after a minute, then two, four, … every 15 minutes at most, and goes on with the same run once
the end is back, as the days and the window permit. It holds up no other job meanwhile, costs no call, counts neither as a
run nor as a failure, and \`procorefs health\` says which job waits for what.

## Budget

People at the mount go first. A scheduled run that has used its share of the hour ends as *not complete*, says how many
items are left and when it goes on, and counts neither as a failure nor as a run without changes. A run that was started by
hand waits for the next hour. \`jobs estimate\` says calls, hours and bytes before anything starts.

## Copy-out by the mount

\`-o copy_out=/srv/share,every=15m\` (or \`copy_out=CONNECTION[:/path]\`) makes a copy job of the mount. It takes what the
mount's own polls have found: no call of its own, and when nothing changed neither side is looked at (every six hours
both are, for what was changed at the destination). A mount without the option disables the job; an unmount does not, for
the mount comes back at boot. Private items are copied as by any job (above); a mount with \`-o private=hide\` leaves them out.

The interval of a job counts as somebody who looks: the polls of a mounted project keep up with the shortest one, down to
every 4.5 s. \`every=5s\` takes 720 calls an hour, \`every=1m\` 60, from \`every=4m\` on 15, which is what a project takes
that nobody looks at; \`jobs estimate\` says it, \`-o poll=S\` sets another pace. What polls do not show (see *Freshness* in
semantics.md) comes with the sweeps.

## What is flagged

\`jobs items NAME --flagged\` lists what a person must look at. Every run tries it again (\`jobs retry\` at once); \`jobs ignore
NAME [PATH…]\` leaves it alone in all later runs, a folder with everything below it, until \`jobs retry NAME PATH\`.

## Being told

\`notify\` of a job, or of everything in \`STATE/config.json\`: \`{"notify": {"command": "…", "mail": "ops@example.com",
"url": "https://…"}}\`. Told once, and again only after it was well: *failed*, *flagged*, *stale* (three runs of the schedule
passed without success), *waiting* (an end is away for an hour), *signed-out*, *old-outbox* (a change waits over an hour). The command is run by \`sh\` with JSON on
standard input and \`NOTICE_EVENT\`, \`NOTICE_MESSAGE\`, \`NOTICE_JOB\`, \`NOTICE_STATUS\`, \`NOTICE_REPORT\` in the environment.
\`"program": "NAME"\` runs a command that \`"programs": {"NAME": "…"}\` of the configuration has: the only one that users of the
HTTP API can choose. A job's \`url\` is a public address, or one in \`"allowed_hosts"\`; that of the configuration may be any.
\`procorefs health\` says the same in one line, with exit 0, 1 (warning) or 2 (broken).
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = process.argv[2];
  if (path === undefined) throw new Error('name the file to write');
  writeFileSync(path, jobsPage());
}
