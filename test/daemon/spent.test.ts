import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';

t.test(
  'the hour is spent: what is known works, the rest gets EAGAIN, the log says until when; then it goes on',
  async (t) => {
    const settings = { items: 100_000, oddNames: 'no', hour: 30 } as const;
    const { installation, simulator, mnt } = await mounted(t, settings, ['-o', 'budget_wait=1,poll=600']);
    const names = await readdir(mnt, { withFileTypes: true });
    const [known, unknown] = names.filter((one) => one.isDirectory()).map((one) => join(mnt, one.name));
    const listed = await readdir(known!, { withFileTypes: true });
    const file = [...names.map((one) => [mnt, one] as const), ...listed.map((one) => [known!, one] as const)]
      .filter(([, one]) => one.isFile())
      .map(([folder, one]) => join(folder, one.name))[0]!;
    const bytes = await readFile(file);
    await simulator.admin.spend(3600);
    t.notOk((await installation.status(mnt)).crawl.done, 'the crawl is in its middle');

    await t.rejects(readdir(unknown!), { code: 'EAGAIN' }, 'what is not known waits, then says so');
    t.strictSame(
      await readdir(known!),
      listed.map((one) => one.name),
      'a known folder lists',
    );
    t.equal((await readdir(mnt)).length, names.length);
    t.equal((await stat(file)).size, bytes.length);
    t.ok(bytes.equals(await readFile(file)), 'what was read reads again');

    await until(() => logged(installation.state).some((line) => /hour are used up .*until 2\d{3}-/.test(line)));
    const text = await installation.must(['status', mnt]);
    t.match(text, /^ {2}hour +0 of 3600 calls left, reset \S+/m);
    t.match(text, /^ {2}waiting +1 call background, for \d+ s GET /m, 'the crawl waits');
    t.match((await installation.status(mnt)).budget, { hour: { remaining: 0 }, waiting: [{ class: 'background' }] });

    await until(async () => (await readdir(unknown!)).length > 0);
    t.pass('when the window resets it goes on by itself');
  },
);

function logged(state: string): string[] {
  return readdirSync(state, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && /log/.test(join(one.parentPath, one.name).slice(state.length)))
    .flatMap((one) => readFileSync(join(one.parentPath, one.name), 'utf8').split('\n'));
}
