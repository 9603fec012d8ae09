import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveOptions } from '#src/base/options.js';
import { Secret } from '#src/base/secret.js';
import { openService } from '#src/daemon/serve.js';
import { StateFolder } from '#src/project/state-folder.js';
import { openServerDatabase } from '#src/server/access/database.js';
import { Users } from '#src/server/access/users.js';
import { openBrowser } from './browser.js';
import { Installation } from './mounted.js';
import { oneHost } from './one-host.js';
import { Person } from './page.js';
import { simulator } from './simulator.js';

/** Markup, an entity, and a character that turns the direction of what follows. */
export const HOSTILE = '<img src=x onerror=document.title=1>&amp;\u202egpj.txt';
const CONTROL = 'two\nlines\u0007\u001b[31m?.txt';
/** Of Ann, who may change everything. */
export const PASSWORD = 'a long enough password';

/** Kept where a person asks for it, to look at them. */
const PICTURES = process.env.PROCOREFS_PICTURES;

/** A service with a page, a browser before it, a simulated project, and a folder with names of every kind. */
export async function openPage(t: { teardown(cleanup: () => unknown): unknown }) {
  const settings = { items: 12, projects: 1, oddNames: 'no', spike: 3000, switch: ['executables=refused'] } as const;
  const { ready, admin } = await simulator(t, settings);
  const host = await oneHost(t, ready);
  const installation = new Installation(t);
  const pictures = PICTURES ?? join(installation.folder, 'pictures');
  const folder = join(installation.folder, 'archive');
  for (const path of [pictures, join(folder, '<b>bold'), join(folder, 'many')]) mkdirSync(path, { recursive: true });
  for (const name of [HOSTILE, CONTROL, 'which?.txt']) writeFileSync(join(folder, name), 'x');
  for (let n = 0; n < 52; n++) writeFileSync(join(folder, 'many', `${n}.txt`), 'Dear');
  const state = new StateFolder(installation.state);
  writeFileSync(
    state.configFile,
    JSON.stringify({
      allowed_hosts: ['127.0.0.1', 'localhost'],
      fs_roots: [installation.folder],
      hosts: ['procorefs.test'],
    }),
    { mode: 0o600 },
  );
  const database = openServerDatabase(state.path);
  t.teardown(() => void database.close());
  await new Users(database).add('ann', 'manage', new Secret(PASSWORD));
  const options = resolveOptions({ given: {}, environment: {}, file: {} });
  const service = await openService({ state, options, listen: '127.0.0.1:0', version: '0' });
  t.teardown(() => service.close());
  const { page, context, errors } = await openBrowser(t);
  const person = new Person(page, pictures);
  const project = ready.projects[0]!.name;
  return {
    ...{ person, context, errors, pictures, service, admin, ready, host, project, installation, folder },
    /** As an hour later: who is signed in needs another token. */
    expireTokens(): void {
      database.prepare("UPDATE tokens SET expires_on = 0 WHERE kind = 'access'").run();
    },
    /** What another program asks of the service meanwhile, as Ann. */
    // biome-ignore lint/suspicious/noExplicitAny: replies are tested elsewhere
    async api(method: string, path: string, body: object = {}): Promise<any> {
      const token = await page.evaluate('sessionStorage.getItem("procorefs-token")');
      const reply = await fetch(`${service.http}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const text = await reply.text();
      if (!reply.ok) throw new Error(text);
      return JSON.parse(text);
    },
  };
}
