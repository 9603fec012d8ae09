import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { isFailure } from '#src/base/errors.js';
import { Secret } from '#src/base/secret.js';
import { signInByCode } from '#src/connections/authorization-code.js';
import { clientCredentials } from '#src/connections/oauth.js';
import { openTarget } from '#src/endpoints/open.js';
import { rcloneFailure } from '#src/endpoints/rclone/failures.js';
import { storageType } from '#src/endpoints/rclone/types.js';
import { ProbedReply } from '#src/procore/probe/evidence.js';
import { replyFailure } from '#src/procore/reply-error.js';
import { parseIndexPage, parseJson } from '#src/procore/rows.js';
import { Body } from '#src/procore/transport/body.js';
import { ServerFolder } from '../support/target-servers.js';

/** What a host of the inner network answers to every client, and what only its own people may read. */
const CANARY = 'inner-canary-4711';
const BODIES: readonly (readonly [string, string])[] = [
  ['text/html', `<html><body><h1>Admin</h1><p>token ${CANARY}</p></body></html>`],
  ['text/plain', `AccessKey: ${CANARY}`],
  ['application/json', JSON.stringify([CANARY])],
  ['application/json', JSON.stringify(CANARY)],
  ['application/json', JSON.stringify({ Credentials: { AccessKeyId: CANARY } })],
  ['application/xml', `<?xml version="1.0"?><Keys><Key>${CANARY}</Key></Keys>`],
];

async function innerHost(t: { teardown(cleanup: () => unknown): unknown }, say: (response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    request.resume();
    say(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** All that a failure tells, also to another process. */
const told = (error: unknown): string =>
  isFailure(error) ? `${error.line} ${JSON.stringify(error.details)}` : String(error);

t.test('nothing of what a host answers is quoted by a sign-in, unless it is an error of OAuth', async (t) => {
  for (const [type, body] of BODIES)
    for (const status of [200, 302, 400, 401, 403, 404, 500]) {
      const url = await innerHost(t, (response) => {
        response.writeHead(status, { 'content-type': type });
        response.end(body);
      });
      const client = { loginUrl: url, clientId: 'id', clientSecret: new Secret('of the client'), name: 'Site' };
      const ask = async () => new Secret('the code');
      const failures = [
        await signInByCode(client, () => undefined, ask, AbortSignal.timeout(30_000)).catch(told),
        await clientCredentials(client).catch(told),
      ];
      for (const line of failures) {
        t.notMatch(line, CANARY, `${status} ${type}`);
        t.match(line, /; /, 'it says what to do');
      }
      if (status === 400) t.match(failures[0], `HTTP 400 (${type})`, 'status and type are said');
    }
});

t.test('of the API, its own form of errors is quoted, and not at length', (t) => {
  const context = { host: 'api', connection: 'Site', project: undefined, subject: undefined };
  const failure = (body: string, status: number) => {
    const reply = { status, headers: {}, body: new Body() };
    reply.body.add(Buffer.from(body));
    return replyFailure(reply, { label: 'GET /x', companyId: undefined } as never, context);
  };
  for (const [, body] of BODIES) {
    for (const status of [401, 403, 404, 422, 500]) t.notMatch(told(failure(body, status)), CANARY);
    t.notMatch(new ProbedReply(422, {}, Buffer.from(body)).words, CANARY);
  }
  t.match(failure('{"message":"it is archived"}', 422).line, /it is archived/);
  t.ok(String(failure(JSON.stringify({ message: 'x'.repeat(5000) }), 422).details.why).length <= 200);
  for (const body of [`{"a": ${CANARY}}`, CANARY, `[{"id": ${CANARY}}]`])
    for (const read of [() => parseJson(Buffer.from(body), 'api', 'GET /x'), () => parseIndexPage(Buffer.from(body))])
      try {
        t.notMatch(JSON.stringify(read()), CANARY);
      } catch (error) {
        t.notMatch(told(error), CANARY);
      }
  t.end();
});

t.test('of a storage whose host anybody may name, nothing but known words is quoted', async (t) => {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const signal = AbortSignal.timeout(120_000);
  for (const [type, body] of BODIES.slice(0, 2)) {
    const url = await innerHost(t, (response) => {
      response.writeHead(403, { 'content-type': type });
      response.end(body);
    });
    const options = { mayWrite: true, state: folder.at('local'), signal, password: new Secret('secret word') };
    const endpoint = { endpoint: url, force_path_style: 'true' };
    for (const definition of [
      { platform: 'webdav', uri: url, username: 'x' },
      { platform: 's3', uri: 'bucket/folder', username: 'x', options: endpoint },
    ]) {
      const tried = async () => {
        const target = await openTarget(definition, options);
        await target.test(signal).finally(() => target.close());
      };
      const line = await tried().then(() => 'it was taken', told);
      t.notMatch(line, CANARY, definition.platform);
      t.match(line, /403|denied|forbidden/i, 'the status is said');
    }
  }
});

t.test('where the host is fixed, or its key is known, the reason is quoted', (t) => {
  const text = `googleapi: Error 403: ${CANARY}`;
  const why = (platform: string, ...options: string[]) =>
    rcloneFailure(text, 'x', '', storageType(platform, options)).details.why;
  t.match(why('drive'), CANARY);
  t.match(why('sftp', 'known_hosts_file'), CANARY);
  for (const option of ['auth_url', 'token_url', 'endpoint', 'root_url']) t.notMatch(why('onedrive', option), CANARY);
  for (const platform of ['webdav', 's3', 'ftp', 'http', 'swift', 'azureblob', 'b2'])
    t.equal(why(platform), '403', platform);
  t.end();
});
