import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Installation } from '../support/mounted.js';
import { randomBy } from '../support/random.js';
import { type Answer, RunningService } from '../support/service.js';
import { simulator } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

const PASSWORD = 'canary-password-5b1d';
/** Must be in no reply, to any user and any request. */
const CANARIES = {
  'the password of a user': PASSWORD,
  'the address of a notice': 'canary-hook-91ce',
  'the command of a notice': 'canary-command-02af',
  'the password of a target': 'canary-target-77d0',
} as const;

type Schema = Readonly<Record<string, unknown>>;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly body: Schema | undefined;
}

/** Requests that are sent at once. */
const LANES = 4;
/** After so many requests memory is taken as what the service needs. */
const WARM = 0.25;
/** How much more it may have at the end, MiB. */
const GROWTH = 160;

const HOSTILE = [
  '',
  '0',
  '-1',
  '1e309',
  'NaN',
  'null',
  '../../../../etc/passwd',
  '%2e%2e%2f',
  '/',
  '\u0000',
  'a\r\nX-Injected: 1',
  "'; DROP TABLE users; --",
  '<script>alert(1)</script>',
  '\u202egpj.exe',
  '=cmd|calc!A1',
  '\ud800',
  '{'.repeat(3000),
  '(a+)+$',
  '__proto__',
  'constructor',
  'toString',
  'https://127.0.0.1:1/',
  'file:///etc/passwd',
  '$(touch /tmp/procorefs-owned)',
  '9'.repeat(400),
];

/**
 * Requests by the schemas of the API's own document, by a seed: well formed, almost, and not at all, by everybody. The
 * service answers each without an error of its own and without a secret, and needs no more memory for it.
 */
export async function httpFuzz(t: Scenario, requests: number, seed: number): Promise<void> {
  const random = randomBy(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const { ready } = await simulator(t, { items: 8, projects: 1, spike: 100_000 });
  const installation = new Installation(t);
  const root = join(installation.folder, 'root');
  for (const folder of [installation.state, root]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const configuration = { fs_roots: [root], allowed_hosts: ['127.0.0.1'] };
  writeFileSync(join(installation.state, 'config.json'), JSON.stringify(configuration), { mode: 0o600 });
  const users = { boss: 'manage', eve: 'read' } as const;
  for (const [name, role] of Object.entries(users))
    await installation.must(['users', 'add', name, '--role', role], { input: `${PASSWORD}\n` });
  await installation.connect({ ready } as never);
  await installation.must(['connections', 'add', 'Disk', '--platform', 'fs', '--uri', root]);
  const job = {
    name: 'Told',
    schedule: { mode: 'manual' },
    notify: {
      command: `true ${CANARIES['the command of a notice']}`,
      url: `https://hooks.invalid/${CANARIES['the address of a notice']}`,
    },
    transfer: {
      transfer_type: 'copy',
      source: { connection: { id: 'Disk' }, target: { path: '/a' } },
      destination: { connection: { id: 'Disk' }, target: { path: '/b' } },
    },
  };
  const file = join(installation.folder, 'job.json');
  writeFileSync(file, JSON.stringify(job));
  await installation.must(['jobs', 'add', '--file', file]);
  const service = await RunningService.start(t, installation, ['--listen', '127.0.0.1:0']);
  const signIn = async (name: string): Promise<string> => (await service.signIn(name, PASSWORD)).json.access_token;
  const tokens: Record<string, string> = { boss: await signIn('boss'), eve: await signIn('eve') };
  const operations = operationsOf((await service.ask('/v1/openapi.json')).json);
  const ids = ['Told', 'Disk', 'Procore', '1', ready.projects[0]!.name];
  const memory = (): number => {
    const line = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${service.child.pid}/status`, 'utf8'));
    return Number(line![1]) / 1024;
  };
  const word = (): string => (random() < 0.3 ? pick(HOSTILE) : pick(ids));
  const drawn = (schema: Schema, depth = 0): unknown => {
    if (depth > 6 || random() < 0.08) return pick<unknown>([...HOSTILE, null, 0, -1, true, [], {}, [[[]]]]);
    const options = (schema.anyOf ?? schema.oneOf ?? schema.enum) as readonly unknown[] | undefined;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return pick(options!);
    if (options) return drawn(pick(options) as Schema, depth + 1);
    switch (schema.type) {
      case 'string':
        return word();
      case 'integer':
      case 'number':
        return pick([0, 1, 5, -1, 2 ** 53, 1e308, 0.5]);
      case 'boolean':
        return random() < 0.5;
      case 'array':
        return Array.from({ length: Math.floor(random() * 3) }, () => drawn((schema.items ?? {}) as Schema, depth + 1));
      case 'object': {
        const required = (schema.required ?? []) as readonly string[];
        const entries = Object.entries((schema.properties ?? {}) as Readonly<Record<string, Schema>>)
          .filter(([key]) => random() < (required.includes(key) ? 0.95 : 0.3))
          .map(([key, own]) => [key, drawn(own, depth + 1)]);
        return Object.fromEntries(random() < 0.05 ? [...entries, [word(), word()]] : entries);
      }
      default:
        return word();
    }
  };
  const one = async (): Promise<{ readonly what: string; readonly answer: Answer }> => {
    const { method, path, parameters, body } = pick(operations);
    const query = new URLSearchParams();
    let address = path;
    for (const { name, in: where, schema } of parameters) {
      if (where === 'path') address = address.replace(`{${name}}`, encodeURIComponent(sound(word())));
      else if (where === 'query' && random() < 0.4) query.append(name, sound(String(drawn(schema))));
    }
    const who = pick(['boss', 'boss', 'boss', 'eve', 'nobody']);
    // Who changes passwords, or removes somebody, ends what everybody is signed in with.
    const isOfUsers = method !== 'GET' && path.includes('users');
    const headers = who === 'nobody' ? {} : { authorization: `Bearer ${tokens[isOfUsers ? 'eve' : who]}` };
    const what = `${who} ${method} ${address.slice(0, 200)}?${String(query).slice(0, 200)}`;
    const answer = await service
      .ask(`${address}${query.size > 0 ? `?${query}` : ''}`, {
        method,
        headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body && random() < 0.97 ? { raw: written(drawn(body)) } : {}),
      })
      .catch((error: Error): Answer => ({ status: 599, headers: {}, text: error.message, json: undefined }));
    return { what, answer };
  };
  const found = new Set<string>();
  let sent = 0;
  let warm: number | undefined;
  const lane = async (): Promise<void> => {
    while (sent < requests && found.size < 10) {
      sent++;
      if (warm === undefined && sent > requests * WARM) warm = memory();
      const { what, answer } = await one();
      if (answer.status >= 500 && !isElsewhere(answer))
        found.add(`${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
      for (const [name, canary] of Object.entries(CANARIES))
        if (answer.text.includes(canary)) found.add(`${what}: tells ${name}`);
      if (answer.status === 401 && !what.startsWith('nobody'))
        for (const name of Object.keys(users)) tokens[name] = await signIn(name);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  t.equal([...found].join('\n'), '', `${sent} requests, seed ${seed}`);
  t.equal(service.child.exitCode, null, 'the service goes on');
  const grown = memory() - (warm ?? 0);
  t.ok(grown < GROWTH, `memory grew by ${Math.round(grown)} MiB`);
}

/** What another server did is no error of this one: 502 and 504 say so, and 503 that it cannot be now. */
const isElsewhere = ({ status, json }: Answer): boolean =>
  [502, 503, 504].includes(status) && json?.errors?.[0]?.code !== 'internal';

/** Half of a pair of surrogates is no text that an address could have. */
const sound = (value: string): string => Buffer.from(value).toString('utf8');
const written = (value: unknown): string => JSON.stringify(value) ?? '';

function operationsOf(document: {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Record<string, unknown>>>>>;
}): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(() => !path.includes('connect/') && !path.endsWith('/events'))
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        parameters: (operation.parameters ?? []) as Operation['parameters'],
        body: (operation.requestBody as { content: Record<string, { schema: Schema }> } | undefined)?.content[
          'application/json'
        ]?.schema,
      })),
  );
}
