import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Installation } from '../support/mounted.js';
import { RunningService } from '../support/service.js';
import { simulator } from '../support/simulator.js';

const traced = spawnSync('strace', ['-f', '-D', '-qq', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
const skip =
  traced.status === 0 ? false : `strace(1) traces nothing here: ${traced.error?.message ?? traced.stderr.trim()}`;

/** Where glibc asks for names of users and groups, if something listens there (nscd(8)). */
const NAMES = '/var/run/nscd/socket';
const CALLS = 'open,openat,openat2,creat,connect,execve,execveat';
const WRITES = /\bO_(?:WRONLY|RDWR|CREAT|TRUNC|TMPFILE)\b/;

interface Call {
  readonly name: string;
  readonly words: string;
  readonly result: string;
}

/** The calls of a trace; one that another thread came into is put together again. */
function callsOf(file: string): Call[] {
  const begun = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const cut = /^(.*) <unfinished \.\.\.>$/.exec(text);
    if (cut) {
      begun.set(pid, cut[1]!);
      continue;
    }
    const rest = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const whole = rest ? `${begun.get(pid) ?? ''}${rest[1]}` : text;
    const [, name, words, result] = /^(\w+)\((.*)\) += (.+)$/.exec(whole) ?? [];
    if (name !== undefined) calls.push({ name, words: words!, result: result! });
  }
  return calls;
}

t.test('a service that copies writes, connects and starts nothing but what it must', { skip }, async (t) => {
  const running = await simulator(t, { items: 40, projects: 1, oddNames: 'no' });
  const { ready } = running;
  const installation = new Installation(t);
  await installation.connect(running);
  const at = (name: string): string => join(installation.folder, name);
  const [target, temporary, home] = [at('target'), at('temporary'), at('home')];
  for (const path of [target, temporary, home]) mkdirSync(path);
  const source = `Procore:${ready.projects[0]!.id}`;
  await installation.must(['jobs', 'add', 'out', '--from', source, '--to', target]);

  const trace = at('trace');
  const before = ['strace', '-f', '-D', '-qq', '-y', '-e', `trace=${CALLS}`, '-o', trace];
  const env = { TMPDIR: temporary, HOME: home };
  const service = await RunningService.start(t, installation, [], { before, env });
  const jobs = (await service.ask('/v1/jobs')).json.jobs as { id: string; name: string }[];
  const job = jobs.find(({ name }) => name === 'out')!.id;
  const started = await service.ask(`/v1/jobs/${job}?start=1`, { method: 'PATCH' });
  t.equal(started.status, 200, started.text);
  const statusOf = async (): Promise<string> => (await service.ask(`/v1/jobs/${job}?fields=status`)).json.job.status;
  let status = await statusOf();
  for (; /^(start|running)$/.test(status); status = await statusOf()) await sleep(200);
  t.equal(status, 'success');
  t.ok(readdirSync(target, { recursive: true }).length > 40 / 2, 'files are there');
  t.equal(await service.end('SIGTERM'), 0);

  // The tracer writes its last lines when all that it follows has ended.
  let calls = callsOf(trace);
  for (let before = -1; before < calls.length; calls = callsOf(trace)) {
    before = calls.length;
    await sleep(500);
  }
  const may = [installation.state, target, temporary];
  const opened = calls.filter(
    ({ name, words, result }) =>
      /^open|^creat/.test(name) && /^\d+</.test(result) && (name === 'creat' || WRITES.test(words)),
  );
  const places = opened.map(({ result }) => /^\d+<(.*)>/.exec(result)![1]!);
  for (const folder of [installation.state, target])
    t.ok(
      places.some((path) => path.startsWith(`${folder}/`)),
      `the trace shows what is written to ${folder}`,
    );
  const strange = places.filter(
    (path) => path !== '/dev/null' && !may.some((folder) => path === folder || path.startsWith(`${folder}/`)),
  );
  t.strictSame([...new Set(strange)], [], 'nothing is opened for writing elsewhere');

  const ports = new Set([ready.api, ready.login, ready.storage].map((url) => new URL(url).port));
  const connected = calls.filter(({ name }) => name === 'connect').map(({ words }) => words);
  const isOurs = (words: string): boolean => {
    const path = /sun_path="([^"]*)"/.exec(words)?.[1];
    if (path !== undefined) return path === NAMES || path.startsWith(`${installation.state}/run/`);
    const port = /sin6?_port=htons\((\d+)\)/.exec(words)?.[1];
    return port !== undefined && ports.has(port) && /inet_addr\("127\.0\.0\.1"\)|"::1"/.test(words);
  };
  t.ok(
    connected.some((words) => words.includes('AF_INET')),
    'the trace shows connections',
  );
  t.strictSame([...new Set(connected.filter((words) => !isOurs(words)))], [], 'nobody else is connected to');

  const ran = calls
    .filter(({ name, result }) => /^execve/.test(name) && result === '0')
    .map(({ words }) => /"([^"]*)"/.exec(words)?.[1]);
  t.strictSame([...new Set(ran)], [process.execPath], 'no program is started');
});
