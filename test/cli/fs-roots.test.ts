import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { offerRoots } from '#src/cli/fs-roots.js';
import { Installation, kill, MAIN } from '../support/mounted.js';

t.test('the first serve at a terminal asks which folders are open to users, and then no more', async (t) => {
  const installation = new Installation(t);
  await installation.must(['users', 'add', 'ann', '--role', 'manage'], { input: 'correct horse battery\n' });
  const config = join(installation.state, 'config.json');
  writeFileSync(config, JSON.stringify({ settle: 2 }), { mode: 0o600 });
  const { NODE_OPTIONS: _, ...env } = installation.environment;
  const serve = async (answer: string): Promise<string> => {
    const words = [process.execPath, MAIN, 'serve', '--listen', '127.0.0.1:0'];
    const child = spawn('script', ['-qefc', words.join(' '), '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    t.teardown(() => kill(child));
    let seen = '';
    // It may have ended by the first of two interrupts.
    child.stdin.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        seen += text;
        if (/\[none\]: $/.test(seen)) child.stdin.write(`${answer}\r`);
        if (seen.includes('{"http":')) child.stdin.write('\x03');
      });
    });
    return seen;
  };
  t.match(await serve(`${installation.folder}, /srv`), /Below which folders may users .* \[none\]: /);
  t.strictSame(JSON.parse(readFileSync(config, 'utf8')), { settle: 2, fs_roots: [installation.folder, '/srv'] });
  t.equal(statSync(config).mode & 0o777, 0o600);
  t.notMatch(await serve(''), /Below which folders/);
});

t.test('who answers nothing opens nothing, and is not asked again', async (t) => {
  const installation = new Installation(t);
  await installation.must(['users', 'list']);
  const config = join(installation.state, 'config.json');
  await offerRoots(config, (_, standard) => Promise.resolve(standard));
  t.strictSame(JSON.parse(readFileSync(config, 'utf8')), { fs_roots: [] });
  await offerRoots(config, () => Promise.reject(new Error('asked')));
});
