import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { isFailure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { type Job, parseJobBody, type Ways } from '#src/jobs/definition/job-schema.js';
import { mailText } from '#src/jobs/notify/mail.js';
import type { Notice } from '#src/jobs/notify/notice.js';
import { Notifier } from '#src/jobs/notify/notifier.js';
import { type Means, sendNotice } from '#src/jobs/notify/send.js';
import type { Execution } from '#src/jobs/store/executions.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { soon } from '../support/processes.js';

const HOSTILE = `it's "; touch /tmp/procorefs-owned-$(id) \`touch /tmp/procorefs-owned\` \n\u001b[31m ünïcode`;
const bounds = { signal: new AbortController().signal, clock: systemClock };
const ANY: Means = { programs: {}, hosts: undefined };

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

function setup(t: Teardown, everybody?: Ways, means: Means = ANY) {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-notify-'));
  const store = new JobStore(join(folder, 'jobs.db'));
  const notifier = new Notifier({
    folder: join(folder, 'told'),
    store,
    everybody: () => everybody,
    means,
    log: silentLog,
  });
  const log = join(folder, 'log');
  const add = (name: string, notify: Ways): Job =>
    store.add(
      parseJobBody({
        name,
        notify,
        transfer: { source: { connection: { id: 'one' } }, destination: { connection: { id: 'two' } } },
      }),
    );
  const run = (job: Job, status: Execution['status'], failed = 0): void => {
    const { id } = store.begin(job.id, 'schedule', false, Date.now());
    store.update(id, { status, ended: Date.now(), stats: { failed } });
    notifier.ended(job, store.execution(id)!);
  };
  const told = async (): Promise<string[]> => {
    await notifier.settled();
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  };
  t.teardown(async () => {
    await notifier.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, notifier, log, add, run, told };
}

t.test('a job tells once that it fails, and again only after it was well', async (t) => {
  const { log, add, run, told } = setup(t);
  const job = add('nightly', { command: `printf '%s\\n' "$NOTICE_EVENT" >> ${log}` });
  run(job, 'completed');
  t.strictSame(await told(), []);
  run(job, 'failed_to_start');
  run(job, 'failed');
  t.strictSame(await told(), ['failed']);
  run(job, 'not_complete');
  run(job, 'cancelled');
  run(job, 'failed');
  t.strictSame(await told(), ['failed'], 'a run that was cut changes nothing');
  run(job, 'warn', 3);
  t.strictSame(await told(), ['failed', 'flagged']);
  run(job, 'no_changes');
  run(job, 'failed');
  t.strictSame(await told(), ['failed', 'flagged', 'failed']);
});

t.test('a command with a token in it stands in no command line', async (t) => {
  const { folder } = setup(t);
  const [seen, go] = [join(folder, 'seen'), join(folder, 'go')];
  const token = 'canary-3fd1';
  const command = `: ${token}; touch ${seen}; while [ ! -e ${go} ]; do sleep 0.05; done; env > ${seen}`;
  const sent = sendNotice({ command }, { kind: 'failed', subject: 'x', message: 'm' }, ANY, bounds);
  await soon(() => existsSync(seen));
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let words = '';
    try {
      words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      // It has ended.
    }
    t.notOk(words.includes(token), words);
  }
  writeFileSync(go, '');
  t.strictSame(await sent, []);
  t.notMatch(readFileSync(seen, 'utf8'), token, 'what it starts has no token either');
});

t.test(
  'what a look finds is told once, and anew when it comes again; jobs of the connection tell as well',
  async (t) => {
    const { log, folder, notifier, add, told } = setup(t, { command: 'echo all >> "$NOTICE_LOG"' });
    process.env.NOTICE_LOG = log;
    t.teardown(() => delete process.env.NOTICE_LOG);
    add('of one', { command: `echo job >> ${log}` });
    const notice: Notice = { kind: 'signed-out', subject: 'one', connection: 'one', message: 'signed out' };
    notifier.found([notice]);
    notifier.found([notice]);
    t.strictSame((await told()).sort(), ['all', 'job']);
    notifier.found([]);
    notifier.found([notice]);
    t.equal((await told()).length, 4);
    t.ok(existsSync(folder));
  },
);

t.test('a way that fails is tried again at the next occasion', async (t) => {
  const { folder, log, add, run, told } = setup(t);
  const job = add('nightly', { command: `test -e ${folder}/ready && echo told >> ${log}` });
  run(job, 'failed');
  t.strictSame(await told(), []);
  writeFileSync(join(folder, 'ready'), '');
  run(job, 'failed');
  t.strictSame(await told(), ['told']);
});

t.test('hostile names reach a command as data alone', async (t) => {
  const { folder } = setup(t);
  const seen = join(folder, 'seen');
  const notice: Notice = { kind: 'failed', subject: 'x', message: HOSTILE, job: { id: 'x', name: HOSTILE } };
  const failures = await sendNotice(
    { command: `cat > ${seen}.json; printf '%s' "$NOTICE_JOB" > ${seen}.name; env > ${seen}.env` },
    notice,
    ANY,
    bounds,
  );
  t.strictSame(failures, []);
  const read = JSON.parse(readFileSync(`${seen}.json`, 'utf8')) as { job: { name: string }; event: string };
  t.equal(read.event, 'failed');
  t.equal(read.job.name, readFileSync(`${seen}.name`, 'utf8'));
  t.match(read.job.name, /touch \/tmp\/procorefs-owned/);
  t.notMatch(read.job.name, /[\n\u001b]/, 'and in one line');
  t.notOk(existsSync('/tmp/procorefs-owned'));
});

t.test('a command that fails, that is not there, or an address that refuses, says so', async (t) => {
  const notice: Notice = { kind: 'stale', subject: 'x', message: 'late' };
  for (const command of ['exit 3', '/nowhere/program']) {
    const [failure] = await sendNotice({ command }, notice, ANY, bounds);
    t.ok(isFailure(failure, 'notify-failed'));
    t.match(failure?.line, /it ended with (3|127)/);
  }
  const [refused] = await sendNotice({ url: 'http://127.0.0.1:9/?token=secret' }, notice, ANY, {
    ...bounds,
    signal: AbortSignal.timeout(2000),
  });
  t.ok(isFailure(refused, 'notify-failed'));
  t.notMatch(refused?.line, /secret/);
});

t.test('an address gets JSON, and is asked again when it fails', async (t) => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      bodies.push(body);
      response.statusCode = bodies.length === 1 ? 503 : 204;
      response.end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const failures = await sendNotice({ url }, { kind: 'flagged', subject: 'x', message: HOSTILE }, ANY, bounds);
  t.strictSame(failures, []);
  t.equal(bodies.length, 2);
  t.match(JSON.parse(bodies[1]!), { event: 'flagged', host: /./, at: /T/ });
});

t.test('a mail is ASCII, whatever it says', async (t) => {
  const text = mailText('ops@example.com', `failed: ${'ü€𝄞'.repeat(30)}`, 'bödy');
  t.notMatch(text, /[^\n\x20-\x7e]/);
  const subject = /^Subject: ((?:.*\n )*.*)$/m.exec(text)![1]!.split('\n ');
  for (const word of subject) t.ok(word.length <= 75);
  const decoded = subject.map((word) => Buffer.from(word.slice(10, -2), 'base64').toString()).join('');
  t.equal(decoded, `failed: ${'ü€𝄞'.repeat(30)}`);
  t.match(text, /^To: ops@example.com$/m);
  t.equal(Buffer.from(text.split('\n\n')[1]!, 'base64').toString(), 'bödy');
});

const agent =
  existsSync('/usr/sbin/sendmail') && process.getuid?.() === 0
    ? {}
    : { skip: 'needs the Debian package dma, and root' };

t.test('a mail arrives through sendmail', agent, async (t) => {
  // An agent that delivers to users of this machine: Debian's dma does.
  const mark = `told-${process.pid}-${Date.now()}`;
  const failures = await sendNotice({ mail: 'root' }, { kind: 'failed', subject: 'x', message: mark }, ANY, bounds);
  t.strictSame(failures, []);
  for (let tries = 0; ; tries++) {
    const mails = existsSync('/var/mail/root') ? readFileSync('/var/mail/root', 'utf8') : '';
    if (mails.includes(`Subject: procorefs: failed: ${mark}`)) break;
    if (tries > 50) throw new Error('no mail came');
    await new Promise((done) => setTimeout(done, 200));
  }
});

t.test('what is no mail address is refused when the job is defined', async (t) => {
  const transfer = { source: { connection: { id: 'one' } }, destination: { connection: { id: 'two' } } };
  for (const mail of ['-oQ/tmp', 'a b', 'a@b\nBcc: c@d', '|sh', ''])
    t.throws(() => parseJobBody({ name: 'x', transfer, notify: { mail } }), { code: 'job-refused' }, mail);
  t.equal(parseJobBody({ name: 'x', transfer, notify: { mail: 'root' } }).notify?.mail, 'root');
});

t.test('what cannot be noted down hurts neither the run nor the daemon', async (t) => {
  const { folder, add, run, notifier } = setup(t);
  const told = join(folder, 'told');
  // While it is told the folder goes; then it is not there to begin with.
  const slow = add('slow', { command: `rm -r ${told}; touch ${told}; exit 1` });
  run(slow, 'failed');
  await notifier.settled();
  run(add('other', { command: 'true' }), 'failed');
  run(slow, 'completed');
  await notifier.settled();
  t.equal(readFileSync(told, 'utf8'), '');
});

t.test('at the end nothing more is begun', async (t) => {
  const { log, add, run, notifier } = setup(t, { command: 'exec sleep 100' });
  run(add('nightly', { command: `echo begun >> ${log}` }), 'failed');
  await notifier.close(50);
  t.notOk(existsSync(log));
});
