import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Installation } from '../support/mounted.js';
import { type Answer, RunningService } from '../support/service.js';

const FILES = 300;
const contentOf = (n: number | string): string => `content ${n} `.repeat(100);
/** Bytes per second of a run that is to be cut in its middle: all of it takes 10 s. */
const RATE = 36_000;

t.test('a service at its socket, with jobs between folders', async (t) => {
  const whole = t;
  const installation = new Installation(t);
  const [from, to] = [join(installation.folder, 'from'), join(installation.folder, 'to')];
  for (const folder of [from, to]) mkdirSync(folder);
  for (let n = 0; n < FILES; n++) writeFileSync(join(from, `${n}.txt`), contentOf(n));
  let service = await RunningService.start(t, installation, []);
  t.equal(statSync(service.http).mode & 0o777, 0o600, 'a socket for its owner alone');
  const ask = async (method: string, path: string, body?: unknown): Promise<Answer['json']> => {
    const { status, json, text } = await service.ask(path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    if (status >= 300) throw new Error(`${method} ${path}: ${text}`);
    return json;
  };
  const connect = async (name: string, uri: string, disabled?: boolean): Promise<string> =>
    (await ask('POST', '/v1/connections', { name, platform: { id: 'fs' }, auth: { uri }, disabled })).connection.id;
  const source = await connect('From', from);
  const destination = await connect('To', to, true);
  const end = (id: string) => ({ connection: { id }, target: { path: '/' } });
  const transfer = (upload: object) => ({
    ...{ transfer_type: 'copy', source: end(source), destination: end(destination) },
    performance: { parallel_writes: { requested: 1, max: 1 }, upload },
  });
  const slow = transfer({ bytes_per_second: RATE });
  const { job } = await ask('POST', '/v1/jobs', { name: 'Folders', transfer: slow, schedule: { mode: 'manual' } });
  const path = `/v1/jobs/${job.id}`;
  const settled = async (): Promise<Answer['json']> => {
    for (;;) {
      const { job } = await ask('GET', path);
      if (!job.execution && !['start', 'running'].includes(job.status)) return job;
      await sleep(50);
    }
  };

  await t.test('no job runs with a disabled connection', async (t) => {
    t.match((await ask('GET', `/v1/connections/${destination}`)).connection, { disabled: true, active: false });
    t.equal((await ask('GET', '/v1/connections?active=1')).meta.total_count, 1);
    await ask('PATCH', `${path}?start=1`);
    const refused = await settled();
    t.match(refused, { status: 'failed-to-start', health: 'unavailable' });
    t.match(refused.previous_execution.reason, /"To" is disabled; enable it/);
    t.strictSame(readdirSync(to), []);
    t.match(await installation.must(['connections', 'list']), /To +fs, disabled/);
    await installation.must(['connections', 'enable', 'To']);
    t.match((await ask('GET', `/v1/connections/${destination}`)).connection, { disabled: false, active: true });
    await ask('PATCH', `/v1/connections/${source}`, { disabled: true });
    await ask('PATCH', `/v1/connections/${source}`, { disabled: false });
  });

  await t.test('kill -9 in the middle of a run: it goes on after the restart', async (t) => {
    const copied = (): string[] => readdirSync(to).filter((name) => name.endsWith('.txt') && !name.startsWith('.'));
    await ask('PATCH', `${path}?start=1`);
    while (copied().length < 5) await sleep(1);
    const items = await ask('GET', `/v1/transfers/items?job=${job.id}&execution=current&limit=1000`);
    // The run that is under way stays slow.
    await ask('PATCH', path, { transfer: transfer({}) });
    await service.end('SIGKILL');
    const before = copied().length;
    t.ok(before < FILES, `${before} of ${FILES} files were copied`);
    t.ok(
      items.items.filter(({ processing }: { processing: boolean }) => processing).length <= 1,
      'one was under way at most',
    );
    service = await RunningService.start(whole, installation, []);
    for (;;) {
      const { previous_execution: last } = await settled();
      if (last?.status === 'completed') break;
      await sleep(50);
    }
    t.equal(copied().length, FILES);
    t.ok(copied().every((name) => readFileSync(join(to, name), 'utf8') === contentOf(name.slice(0, -4))));
    const { job_executions: runs } = await ask('GET', `/v1/jobs/history?job=${job.id}`);
    t.match(
      runs.map(({ status }: { status: string }) => status),
      ['completed', 'not_complete', 'failed_to_start'],
      'with the history',
    );
    t.ok(runs[0].stats.source.new.files < FILES, 'what was done before the kill is not done again');
    t.equal(await service.end('SIGTERM'), 0, 'it ends gracefully');
  });
});
