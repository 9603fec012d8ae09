import { spawn, spawnSync } from 'node:child_process';
import { createDecipheriv } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { TargetDefinition } from '#src/endpoints/definition.js';
import type { CanaryRequest } from '../support/canary-process.js';
import { bytesBy } from '../support/random.js';
import { makeKey, ServerFolder, serveSftp, serveSmb, serveWebdav, type TestServer } from '../support/target-servers.js';

const KINDS: Readonly<
  Record<
    string,
    {
      serve(folder: ServerFolder, password: string): Promise<TestServer>;
      define(port: number, folder: ServerFolder): TargetDefinition;
    }
  >
> = {
  webdav: {
    serve: serveWebdav,
    define: (port) => ({ platform: 'webdav', uri: `http://127.0.0.1:${port}`, username: 'procorefs' }),
  },
  sftp: {
    serve: (folder, password) => serveSftp(folder, makeKey(folder.at('host')), password),
    define: (port, folder) => {
      const known = folder.at('known_hosts');
      writeFileSync(known, `[127.0.0.1]:${port} ${readFileSync(folder.at('host.pub'), 'utf8')}`);
      const options = { known_hosts_file: known };
      return { platform: 'sftp', uri: `127.0.0.1:${port}`, username: 'procorefs', options };
    },
  },
  smb: {
    serve: serveSmb,
    define: (port) => ({ platform: 'smb', uri: `//127.0.0.1:${port}/files`, username: 'root' }),
  },
};

/** The key by which every rclone hides passwords in its configuration; it hides them from a glance, and from nobody else. */
const OBSCURED = Buffer.from('9c935b48730a554d6bfd7c63c886a92bd390198eb8128afbf4de162b8b95f638', 'hex');

function revealed(word: string): string {
  const bytes = Buffer.from(word, 'base64url');
  if (bytes.length <= 16) return '';
  return createDecipheriv('aes-256-ctr', OBSCURED, bytes.subarray(0, 16)).update(bytes.subarray(16)).toString('utf8');
}

/** Whether a text tells the canary, as it is or in a form from which anybody could have it. */
function tells(text: string, canary: string): boolean {
  const bytes = Buffer.from(canary);
  // Base64 of something that the canary is only a part of depends on where it begins.
  const shifted = [0, 1, 2].map((n) =>
    Buffer.concat([Buffer.alloc(n), bytes])
      .toString('base64')
      .slice(n === 0 ? 0 : n + 1)
      .replace(/=+$/, '')
      .slice(0, -2),
  );
  const forms = [canary, encodeURIComponent(canary), bytes.toString('hex'), JSON.stringify(canary).slice(1, -1)];
  const encoded = shifted.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
  if ([...forms, ...encoded].some((form) => text.toLowerCase().includes(form.toLowerCase()))) return true;
  return (text.match(/[\w-]{22,}/g) ?? []).some((word) => revealed(word).includes(canary));
}

/** Children of a process, and their children; one that changed its parent stays known. */
class Descendants {
  readonly seen = new Map<string, string>();
  readonly programs = new Set<string>();
  readonly #known: Set<number>;
  readonly #timer = setInterval(() => this.look(), 10);

  constructor(pid: number) {
    this.#known = new Set([pid]);
  }

  look(): void {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]);
        if (!this.#known.has(parent) && !this.#known.has(Number(name))) continue;
        this.#known.add(Number(name));
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        this.programs.add(command.split('\0')[0]!);
        this.seen.set(`${name} ${command}`, command);
        this.seen.set(`${name} environ ${command}`, readFileSync(`/proc/${name}/environ`, 'utf8'));
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  stop(): void {
    this.look();
    clearInterval(this.#timer);
  }
}

t.test('the canary is found in each form', async (t) => {
  const canary = `Känary ${bytesBy(1, 9).toString('hex')}`;
  const hidden = spawnSync('rclone', ['obscure', '-'], { input: canary, encoding: 'utf8' });
  for (const text of [
    canary,
    `a=${encodeURIComponent(canary)}&`,
    Buffer.from(`user:${canary}`).toString('base64'),
    Buffer.from(`x:${canary}`).toString('base64url'),
    Buffer.from(canary).toString('hex').toUpperCase(),
    ...(hidden.status === 0 ? [`pass = ${hidden.stdout.trim()}`] : []),
  ])
    t.ok(tells(text, canary), text);
  t.notOk(tells(`Kanary ${bytesBy(2, 900).toString('base64url')}`, canary));
});

for (const [kind, { serve, define }] of Object.entries(KINDS))
  t.test(`a password of ${kind} is seen in no process, and after kill -9 by nobody else`, async (t) => {
    const folder = new ServerFolder();
    const canary = `canary ${bytesBy(3, 12).toString('hex')}`;
    const server = await serve(folder, canary);
    t.teardown(async () => {
      await server.kill();
      folder.remove();
    });
    const [state, temporary, home] = [folder.at('kept'), folder.at('temporary'), folder.at('home')];
    for (const path of [temporary, home]) mkdirSync(path);
    const program = fileURLToPath(new URL('../support/canary-process.js', import.meta.url));
    const child = spawn(process.execPath, [program], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: temporary, HOME: home, XDG_CACHE_HOME: join(home, 'cache') },
    });
    const watch = new Descendants(child.pid!);
    const ended = once(child, 'exit');
    t.teardown(() => {
      watch.stop();
      child.kill('SIGKILL');
    });
    const request: CanaryRequest = { definition: define(server.port, folder), password: canary, state };
    child.stdin.end(JSON.stringify(request));
    let said = '';
    for await (const chunk of child.stdout) {
      said += chunk;
      if (said.endsWith('half\n')) break;
    }
    t.equal(said, 'copied\nhalf\n');
    t.equal(statSync(join(folder.files, 'whole')).size, 3_000_000);
    child.kill('SIGKILL');
    await ended;
    watch.stop();
    const isChild = kind === 'smb' ? /smbclient/ : /rclone/;
    t.ok(
      [...watch.programs].some((one) => isChild.test(one)),
      `it has ${[...watch.programs].join(', ')}`,
    );
    for (const [what, text] of watch.seen) {
      t.notOk(tells(text, canary), what);
      t.notMatch(text, /_(?:PASS|PASSWORD|PASSWD|TOKEN|SECRET)=/, what);
    }

    const below = (top: string): string[] => readdirSync(top, { recursive: true, encoding: 'utf8' });
    for (const top of [temporary, home]) for (const path of below(top)) t.fail(`${join(top, path)} is left`);
    t.equal(statSync(state).mode & 0o077, 0);
    for (const path of below(state)) {
      const found = statSync(join(state, path));
      t.equal(found.mode & 0o077, 0, `${path} is for nobody else`);
      if (!/^temporary\//.test(path) && found.isFile())
        t.notOk(tells(readFileSync(join(state, path), 'latin1'), canary), `${path} does not tell it`);
    }
  });
