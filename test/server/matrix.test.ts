import { request } from 'node:http';
import t from 'tap';
import { Guarded } from '../support/access.js';

/** Who may call what: an operation that stands not here is one that nobody has thought of. */
const OPERATIONS = {
  anyone: `
    POST /connect/token
    POST /v1/connect/token
    GET /connect/logout
    GET /v1/connect/logout`,
  read: `
    GET /v1/budget
    GET /v1/connections
    GET /v1/connections.csv
    GET /v1/connections/platforms
    GET /v1/connections/platforms/compare
    GET /v1/connections/platforms/{platform}
    GET /v1/connections/{id}
    GET /v1/connections/{id}/accounts
    GET /v1/connections/{id}/items
    POST /v1/connections/{id}/items
    GET /v1/connections/{id}/items/{item}
    POST /v1/connections/{id}/items/{item}
    GET /v1/connections/{id}/projects
    GET /v1/connections/{id}/stats
    GET /v1/connections/{id}/stats.csv
    GET /v1/diagnostics/logs/configuration
    GET /v1/diagnostics/metrics
    GET /v1/events
    GET /v1/health
    GET /v1/jobs
    GET /v1/jobs.csv
    GET /v1/jobs/categories
    GET /v1/jobs/categories/{id}
    GET /v1/jobs/history
    GET /v1/jobs/history.csv
    GET /v1/jobs/history/{execution}
    GET /v1/jobs/history/{execution}/report
    GET /v1/jobs/{id}
    GET /v1/jobs/{id}/estimate
    GET /v1/mounts
    GET /v1/mounts/items
    GET /v1/mounts/uploads
    GET /v1/mounts/versions
    GET /v1/performance/configuration
    GET /v1/reports
    GET /v1/reports/{id}
    GET /v1/reports/{id}/items
    GET /v1/reports/{id}/items.csv
    GET /v1/reports/{id}/jobs
    GET /v1/reports/{id}/jobs.csv
    GET /v1/reports/{id}/stats
    GET /v1/roles
    GET /v1/schedulers
    GET /v1/session
    GET /v1/transfers/auditing
    GET /v1/transfers/auditing.csv
    GET /v1/transfers/folders
    GET /v1/transfers/folders.csv
    GET /v1/transfers/items
    GET /v1/transfers/items.csv
    GET /v1/transfers/items/flagged
    GET /v1/transfers/items/flagged.csv
    GET /v1/transfers/items/{id}
    GET /v1/transfers/links
    GET /v1/transfers/links.csv
    GET /v1/transfers/security_map
    GET /v1/transfers/security_map.csv
    GET /v1/transfers/{job}/stats`,
  manage: `
    GET /v1/audit
    GET /v1/audit.csv
    POST /v1/connections
    GET /v1/connections/platforms/{platform}/new
    POST /v1/connections/platforms/{platform}/new
    GET /v1/connections/sign-ins/{id}
    POST /v1/connections/sign-ins/{id}
    DELETE /v1/connections/{id}
    PATCH /v1/connections/{id}
    PUT /v1/connections/{id}
    GET /v1/connections/{id}/edit
    POST /v1/connections/{id}/test
    PATCH /v1/jobs
    POST /v1/jobs
    POST /v1/jobs/categories
    DELETE /v1/jobs/{id}
    PATCH /v1/jobs/{id}
    PUT /v1/jobs/{id}
    POST /v1/jobs/{id}/clone
    POST /v1/jobs/{id}/estimate
    POST /v1/mounts/pin
    POST /v1/mounts/unpin
    POST /v1/mounts/uploads/discard
    POST /v1/mounts/uploads/release
    POST /v1/mounts/uploads/retry
    POST /v1/reports
    DELETE /v1/reports/{id}
    PATCH /v1/transfers/items
    PATCH /v1/transfers/items/{id}
    GET /v1/users
    POST /v1/users
    DELETE /v1/users/{name}
    PATCH /v1/users/{name}`,
} as const;

const lines = (text: string): string[] => text.trim().split(/\s*\n\s*/);

const CAUSES = ['procore', 'files', 'programs', 'addresses'];

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly role: string | undefined;
  readonly causes: readonly string[] | undefined;
}

function operationsOf(document: { paths: Record<string, Record<string, Record<string, unknown>>> }): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      role: operation['x-role'] as string | undefined,
      causes: operation['x-causes'] as string[] | undefined,
    })),
  );
}

t.test('each operation is for those whom the table names, and for nobody else', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage', bob: 'read', cid: 'manage', dora: 'manage' });
  const operations = operationsOf((await service.ask('/v1/openapi.json')).json);
  const [ann, bob, cid, dora] = [
    service.tokens('ann').access,
    service.tokens('bob').access,
    service.tokens('cid').access,
    service.tokens('dora').access,
  ];
  service.users.remove('cid');
  const expired = service.database.prepare("UPDATE tokens SET expires_on = unixepoch() - 1 WHERE user = 'dora'").run();
  t.ok(expired.changes > 0);

  await t.test('the table and the document know the same operations', async (t) => {
    for (const [role, text] of Object.entries(OPERATIONS))
      t.strictSame(
        operations
          .filter((one) => one.role === role)
          .map(({ method, path }) => `${method} ${path}`)
          .sort(),
        lines(text).sort(),
        role,
      );
    for (const { method, path, role, causes } of operations) {
      t.ok(role !== undefined && role in OPERATIONS, `${method} ${path} is for ${role}`);
      t.ok(
        causes?.every((one) => CAUSES.includes(one)),
        `${method} ${path} causes ${causes}`,
      );
      // Into targets users of this role look only where a root is open to them: reach.test.ts.
      if (role !== 'manage' && !/^\/v1\/connections\/\{id\}\/(items|stats)/.test(path))
        t.notOk(
          causes?.some((one) => one !== 'procore' && one !== 'files'),
          `${method} ${path} causes ${causes}`,
        );
    }
  });

  const call = async ({ method, path }: Operation, token?: string, headers: Record<string, string> = {}) => {
    const { status, json } = await service.ask(path.replace(/\{\w+\}/g, 'none-such'), { method, token, headers });
    return { status, code: json?.errors?.[0]?.code as string | undefined };
  };
  const isAllowed = ({ status }: { status: number }): boolean => status !== 401 && status !== 403 && status < 500;
  for (const one of operations.filter(({ role }) => role !== 'anyone'))
    await t.test(`${one.method} ${one.path}`, async (t) => {
      for (const [who, token] of [
        ['nobody', undefined],
        ['a removed user', cid],
        ['an expired token', dora],
        ['a token that is none', 'x'.repeat(43)],
      ] as const)
        t.match(await call(one, token), { status: 401, code: 'not-signed-in' }, who);
      const read = await call(one, bob);
      if (one.role === 'read') t.ok(isAllowed(read), `read: ${read.status}`);
      else t.match(read, { status: 403, code: 'role-too-low' }, 'read');
      const manage = await call(one, ann);
      t.ok(isAllowed(manage), `manage: ${manage.status} ${manage.code}`);
      for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
        const foreign = await call(one, ann, headers);
        if (one.method === 'GET') t.equal(foreign.status, manage.status, 'a page elsewhere has no token');
        else t.match(foreign, { status: 403, code: 'foreign-origin' }, 'another origin');
      }
      if (one.method === 'GET')
        t.equal(await statusOfHead(service, one.path.replace(/\{\w+\}/g, 'none-such')), 401, 'HEAD of nobody');
    });

  await t.test('what asks for a token, and gives one back', async (t) => {
    for (const prefix of ['', '/v1']) {
      const sign = (headers: Record<string, string>) =>
        service.ask(`${prefix}/connect/token`, {
          ...{ method: 'POST', headers },
          form: { grant_type: 'refresh_token', refresh_token: 'x'.repeat(43) },
        });
      t.equal((await sign({})).status, 400);
      t.equal((await sign({ origin: 'https://evil.example' })).status, 403);
      const logout = (token?: string) => service.ask(`${prefix}/connect/logout`, { token });
      t.equal((await logout()).status, 401, 'nobody');
      for (const token of [bob, cid, dora]) t.equal((await logout(token)).status, 200);
      t.equal((await service.ask('/v1/session', { token: bob })).status, 401);
    }
  });
});

function statusOfHead({ http }: Guarded, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, http), { method: 'HEAD', agent: false }, (reply) => {
      reply.resume();
      resolve(reply.statusCode ?? 0);
    });
    sent.once('error', reject).end();
  });
}
