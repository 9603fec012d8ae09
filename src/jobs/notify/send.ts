import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { limited } from '../../base/abort.js';
import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { oneLine } from '../../base/text.js';
import type { Ways } from '../definition/job-schema.js';
import { mailText } from './mail.js';
import { type Notice, noticeJson } from './notice.js';

/** Where Linux systems have it (Filesystem Hierarchy Standard). */
const SENDMAIL = ['/usr/sbin/sendmail', '/usr/lib/sendmail', '/usr/bin/sendmail'];
/** Milliseconds. */
const PROGRAM_LIMIT = 60_000;
const POST_LIMIT = 10_000;
const POST_PAUSES = [1000, 5000];

/** Tells by each of the ways. Resolves with what went wrong; a way that fails does not keep the others from it. */
export async function sendNotice(ways: Ways, notice: Notice, signal: AbortSignal): Promise<Failure[]> {
  const sent = await Promise.allSettled([
    ...(ways.command === undefined ? [] : [runCommand(ways.command, notice, signal)]),
    ...(ways.mail === undefined ? [] : [mail(ways.mail, notice, signal)]),
    ...(ways.url === undefined ? [] : [post(ways.url, notice, signal)]),
  ]);
  return sent.flatMap((one) =>
    one.status === 'fulfilled'
      ? []
      : [one.reason instanceof Failure ? one.reason : new Failure('internal', {}, one.reason)],
  );
}

/** The command is the administrator's; what happened reaches it as data, in the environment and on standard input. */
function runCommand(command: string, notice: Notice, signal: AbortSignal): Promise<void> {
  return feed('/bin/sh', ['-c', command], `${noticeJson(notice)}\n`, command, signal, {
    NOTICE_EVENT: notice.kind,
    NOTICE_MESSAGE: oneLine(notice.message, 1000),
    NOTICE_JOB: oneLine(notice.job?.name ?? ''),
    NOTICE_STATUS: notice.status ?? '',
    NOTICE_REPORT: notice.report ?? '',
  });
}

async function mail(to: string, notice: Notice, signal: AbortSignal): Promise<void> {
  const program = SENDMAIL.find((path) => existsSync(path));
  if (!program) throw new Failure('notify-failed', { way: 'mail', why: 'there is no sendmail on this machine' });
  const subject = `procorefs: ${notice.kind.replace('-', ' ')}: ${oneLine(notice.message, 150)}`;
  const body = [
    oneLine(notice.message, 1000),
    ...(notice.report === undefined ? [] : ['', `Report: ${notice.report}`]),
    '',
  ].join('\n');
  // -i: a line with a dot alone does not end it; --: what follows is an address, whatever it begins with.
  await feed(program, ['-i', '--', to], mailText(to, subject, body), program, signal, {});
}

async function post(url: string, notice: Notice, signal: AbortSignal): Promise<void> {
  const send = async (): Promise<void> => {
    const limit = limited(signal, POST_LIMIT, () => new Error('it did not answer in time'));
    try {
      const reply = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: noticeJson(notice),
        redirect: 'error',
        signal: limit.signal,
      });
      await reply.body?.cancel();
      if (!reply.ok) throw new Error(`it answered ${reply.status}`);
    } finally {
      limit.end();
    }
  };
  for (let n = 0; ; n++) {
    try {
      return await send();
    } catch (error) {
      const pause = POST_PAUSES[n];
      // An address may hold a token: the host is enough to find it.
      if (signal.aborted || pause === undefined)
        throw new Failure('notify-failed', { way: `the address at ${new URL(url).host}` }, error);
      await systemClock.sleep(pause, signal).catch(() => undefined);
    }
  }
}

function feed(
  program: string,
  words: readonly string[],
  input: string,
  shown: string,
  signal: AbortSignal,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const failed = (why: string, cause?: unknown): Failure =>
    new Failure('notify-failed', { way: oneLine(shown, 100), why }, cause);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    // Its own group, so that what it starts ends with it.
    const child = spawn(program, words, {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    });
    const end = (): void => {
      if (child.pid !== undefined && child.exitCode === null)
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // It ended just now.
        }
    };
    const cancel = systemClock.after(PROGRAM_LIMIT, end);
    signal.addEventListener('abort', end, { once: true });
    child.once('error', (error) => {
      cancel();
      reject(failed('it could not be started', error));
    });
    child.once('exit', (code, killed) => {
      cancel();
      signal.removeEventListener('abort', end);
      if (code === 0) resolve();
      else reject(failed(killed === null ? `it ended with ${code}` : `it was ended by ${killed}`));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
