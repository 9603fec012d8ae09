import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { openJobs } from '#src/daemon/jobs/open.js';
import { openTarget } from '#src/endpoints/open.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import { stagingPath, sweepTemporary } from '#src/endpoints/temporary.js';
import { Projects } from '#src/project/projects.js';
import { StateFolder } from '#src/project/state-folder.js';
import { eventually } from '../support/content-storage.js';
import { PROJECT_OPTIONS } from '../support/project-options.js';
import { ServerFolder, serveSmb, serveWebdav } from '../support/target-servers.js';
import { openVictim, victimContent, victimTargets, victimWrite } from '../support/target-victim.js';

const { signal } = new AbortController();

t.test('where nothing temporary can be made, that is what is said', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-temporary-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const state = join(folder, 'state');
  writeFileSync(state, 'no folder');
  for (const [platform, uri] of [
    ['smb', '//127.0.0.1:1/none'],
    ['rsync', 'nobody@127.0.0.1:/none'],
    ['webdav', 'http://127.0.0.1:1'],
  ] as const)
    await t.rejects(openTarget({ platform, uri }, { mayWrite: true, state, signal }), {
      code: 'target-failed',
      details: { path: join(state, 'temporary') },
    });
  const staging = new StorageStaging(join(state, 'staging'), 'a target');
  await t.rejects(staging.folder(), { code: 'target-failed' });
  rmSync(state);
  t.match(await staging.folder(), state, 'later it can');
  await staging.close();
});

/** Files and folders below a folder, by path. */
const below = (folder: string): readonly (readonly [path: string, mode: number])[] =>
  (readdirSync(folder, { recursive: true }) as string[]).map((path) => [path, statSync(join(folder, path)).mode]);

t.test('kill -9 leaves secrets and content to nobody, and a staged file goes on where it was', async (t) => {
  const [webdavFiles, smbFiles] = [new ServerFolder(), new ServerFolder()];
  const [webdav, smb] = [await serveWebdav(webdavFiles), await serveSmb(smbFiles)];
  t.teardown(async () => {
    await Promise.all([webdav.kill(), smb.kill()]);
    webdavFiles.remove();
    smbFiles.remove();
  });
  const [state, temporary] = [webdavFiles.at('state'), webdavFiles.at('temporary')];
  mkdirSync(temporary);
  const program = fileURLToPath(new URL('../support/target-victim-process.js', import.meta.url));
  const child = spawn(process.execPath, [program, state, String(webdav.port), String(smb.port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temporary },
  });
  const ended = once(child, 'exit');
  t.teardown(() => child.kill('SIGKILL'));
  t.equal(String((await once(child.stdout, 'data'))[0]), 'half\n');
  const during = below(state);
  child.kill('SIGKILL');
  await ended;
  t.strictSame(readdirSync(temporary), [], 'nothing is in the folder for temporary files');
  t.ok(
    during.some(([path]) => path.endsWith('account')) && during.some(([path]) => path.endsWith('rclone.conf')),
    'both had a file with the account',
  );
  for (const [path, mode] of during) t.equal(mode & 0o077, 0, `${path} is for nobody else`);
  t.equal(readdirSync(stagingPath(state)).length, 2, 'what was staged is there');
  await sweepTemporary(state);
  const left = below(state).map(([path]) => path);
  t.notOk(
    left.some((path) => /account|rclone\.conf/.test(path)),
    'the next process removes the accounts',
  );
  const whole = await buffer(await victimContent().open(0, signal));
  for (const [definition, { files }] of victimTargets(webdav.port, smb.port).map(
    (one, n) => [one, [webdavFiles, smbFiles][n]!] as const,
  )) {
    const target = await openVictim(definition, state, signal);
    const opened: number[] = [];
    await target.write('file', victimContent(opened), { ...victimWrite, signal });
    t.ok(opened.length === 1 && opened[0]! > 0, `${definition.platform} went on at ${opened[0]}`);
    t.ok(readFileSync(join(files, 'file')).equals(whole));
    await target.close();
  }
  t.strictSame(readdirSync(stagingPath(state)), [], 'and is gone once it was sent');
  t.strictSame(readdirSync(join(state, 'temporary')), []);
});

t.test('a daemon removes at its start what a killed one left', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-left-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const state = new StateFolder(join(folder, 'state'));
  const temporary = join(state.path, 'temporary');
  // Of a process that is gone, of one that has the number of another, and of this one.
  const names = ['rclone-999999999-1-abc', `smb-${process.pid}-1-abc`, `smb-${process.pid}-${Date.now()}-abc`];
  for (const name of names) mkdirSync(join(temporary, name), { recursive: true });
  const projects = new Projects({ state, options: {}, projectOptions: PROJECT_OPTIONS, log: silentLog });
  const jobs = openJobs({ state, options: {}, projects, log: silentLog });
  t.teardown(() => jobs.close());
  await eventually(() => readdirSync(temporary).length === 1, 'the folders of dead processes go');
  t.strictSame(readdirSync(temporary), names.slice(2));
});

t.test('what is staged is kept for who comes again, and for nobody else', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'procorefs-staged-'));
  t.teardown(() => rmSync(state, { recursive: true }));
  const folder = stagingPath(state);
  const how = { target: 'a target', needsTime: true, reads: ['file'] } as const;
  const attempt = async (code: 'target-unreachable' | 'target-busy' | 'target-denied', path: string) => {
    const staging = new StorageStaging(folder, 'a target');
    await t.rejects(
      staging.with(path, victimContent(), { ...victimWrite, signal }, how, () =>
        Promise.reject(new Failure(code, { target: 'a target', path })),
      ),
      { code },
    );
    const during = readdirSync(folder).length;
    await staging.close();
    return [during, readdirSync(folder).length];
  };
  t.strictSame(await attempt('target-denied', 'denied'), [0, 0], 'a refusal: it is of no use');
  t.strictSame(await attempt('target-busy', 'busy'), [1, 0], 'tried again by the same run');
  t.strictSame(await attempt('target-unreachable', 'away'), [1, 1], 'tried again when the target is back');
  const [name] = readdirSync(folder);
  await sweepTemporary(state);
  t.strictSame(readdirSync(folder), [name], 'a staged file is no leftover for a week');
  // Two places whose content has the same name, size, time and version, at once.
  const staging = new StorageStaging(folder, 'another');
  const sent = await Promise.all(
    ['a/file', 'b/file', 'b/file'].map((path) =>
      staging.with(path, victimContent(), { ...victimWrite, signal }, how, async ({ file }) => statSync(file).size),
    ),
  );
  t.strictSame(sent, [3_000_000, 3_000_000, 3_000_000]);
  await staging.close();
});

t.test('two jobs that bring content to one place stage it apart', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'procorefs-apart-'));
  t.teardown(() => rmSync(state, { recursive: true }));
  const how = { target: 'a target', needsTime: true, reads: ['file'] } as const;
  const [one, two] = [Buffer.alloc(300_000, 1), Buffer.alloc(300_000, 2)];
  let goOn = (): void => undefined;
  const goesOn = new Promise<void>((resolve) => (goOn = resolve));
  let half = (): void => undefined;
  const isHalf = new Promise<void>((resolve) => (half = resolve));
  const halting = async function* (start: number): AsyncGenerator<Buffer> {
    yield one.subarray(start, 200_000);
    half();
    await goesOn;
    yield one.subarray(Math.max(start, 200_000));
  };
  const stage = async (writer: string, chunks: (start: number) => AsyncIterable<Buffer> | Iterable<Buffer>) => {
    const staging = new StorageStaging(stagingPath(state), 'a target');
    const content = { open: async (start: number) => Readable.from(chunks(start), { objectMode: false }) };
    const options = { size: one.length, mtime: 1_700_000_000, version: '1', writer, signal };
    const sent = await staging.with('file', content, options, how, async ({ file }) => readFileSync(file));
    await staging.close();
    return sent;
  };
  const first = stage('a-job', halting);
  await isHalf;
  const second = await stage('another-job', (start) => [two.subarray(start)]);
  goOn();
  t.ok(second.equals(two));
  t.ok((await first).equals(one));
});
