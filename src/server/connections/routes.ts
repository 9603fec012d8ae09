import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { forgetConnection } from '../../connections/sign-out.js';
import { isTarget } from '../../connections/store.js';
import type { Account } from '../access/account.js';
import { list, one, pageOf, plain, type Route } from '../http/route.js';
import { type SortKeys, sorted, sortWord } from '../http/sort.js';
import { flag, id, MOST_OF_A_PATH, path, word, wordOf } from '../http/wire.js';
import type { ServiceParts } from '../parts.js';
import { Browser, listedItemReply } from './browse.js';
import { ConnectionChanges, changedConnection } from './change.js';
import { addConnection, newConnection, testAnyConnection } from './define.js';
import { type Form, formOf, hasDefaultClient, platformIds, platformJson } from './forms.js';
import { requireOwn } from './identity.js';
import { type PendingSignIn, type SignIns, WAYS } from './sign-ins.js';
import { statsRoute } from './stats.js';
import { connectionJson, connectionReply } from './view.js';

const TAG = 'connections';

const platformReply = z.looseObject({
  id: z.string(),
  name: z.string(),
  group: z.string(),
  features: z.record(z.string(), z.unknown()),
  path: z.object({ validation: z.record(z.string(), z.unknown()) }),
  authorize: z.object({
    prompt: z.object({ width: z.number(), height: z.number() }),
    methods: z.array(z.string()),
  }),
  disabled: z.boolean(),
  default: z.boolean(),
  links: z.object({ icon: z.string().nullable(), connect: z.string() }),
});

const attributeReply = z.looseObject({
  type: z.enum(['text', 'password', 'url', 'select']),
  id: z.string(),
  caption: z.string(),
  hint: z.string(),
  required: z.boolean(),
  value: z.string().nullable(),
  help_text: z.string(),
  more_info: z.string().nullable(),
  show_default: z.boolean(),
  options: z.array(z.object({ id: z.string(), caption: z.string() })).nullable(),
});

const linkReply = z.looseObject({
  method: z.enum(['oauth2', 'prompt']),
  /** URL of the sign-in page; null where there is nothing to sign in with yet, or the platform has no such page. */
  target: z.string().nullable(),
  prompt: z.object({ width: z.number(), height: z.number() }),
  attributes: z.record(z.string(), attributeReply),
  /** Id of the sign-in that was started, for requests for its state. */
  id: z.string().nullable(),
  links: z.object({ status: z.string().nullable() }),
});

const signInReply = z.object({
  id: z.string(),
  state: z.enum(['pending', 'succeeded', 'failed']),
  connection: connectionReply.nullable(),
  test: z.looseObject({}).nullable(),
  error: z.object({ description: z.string(), code: z.string(), remedy: z.string() }).nullable(),
  /** URL of the sign-in page; null after the sign-in has ended. */
  target: z.string().nullable(),
  /** The sign-in waits for the code that the page shows. */
  needs_code: z.boolean(),
});

/**
 * Parameters of a sign-in that may stand in a URL, which logs and browser histories keep: no secret, and nothing sent
 * along with one.
 */
const shownWords = {
  /**
   * `code`: the page shows a code to send to `sign-ins/ID`, for a browser that does not run on the service's machine.
   */
  by: wordOf(WAYS).optional(),
  name: z.string().max(100).optional(),
  company: z.coerce.number().int().positive().optional(),
  project: z.coerce.number().int().positive().optional(),
} as const;

const notInAddresses = Object.fromEntries(
  ['client_id', 'client_secret', 'domain', 'api'].map((key) => [
    key,
    z.never({ error: 'stands in the body of a POST to the same path, not in an address' }).optional(),
  ]),
);

const signInWords = {
  ...shownWords,
  client_id: z.string().max(500).optional(),
  client_secret: z.string().max(2000).optional(),
  domain: z.string().max(500).optional(),
  api: z.string().max(500).optional(),
} as const;

const tokenBody = z
  .union([
    z.string().max(MOST_OF_A_PATH),
    z.looseObject({
      token: z.string().max(MOST_OF_A_PATH).optional(),
      path: z.string().max(MOST_OF_A_PATH).optional(),
      q: z.string().max(1000).optional(),
    }),
  ])
  .optional();

const testReply = z.looseObject({ connection: z.string() });
const accountReply = z.object({ id: z.string(), name: z.string().nullable(), login: z.string().nullable() });

const SORTS: SortKeys<z.input<typeof connectionReply>> = {
  name: ({ name }) => name,
  platform: ({ platform }) => platform.name,
  active: ({ active }) => Number(active),
  account: ({ account }) => account?.login ?? account?.name ?? undefined,
  created_on: ({ created_on }) => created_on,
};

const link = (attributes: Form, pending: PendingSignIn | undefined, method: 'oauth2' | 'prompt') => ({
  method,
  target: pending?.url ?? null,
  prompt: { width: 800, height: 700 },
  attributes,
  id: pending?.id ?? null,
  links: { status: pending ? `/v1/connections/sign-ins/${pending.id}` : null },
});

export function connectionRoutes(parts: ServiceParts, signIns: SignIns): Route[] {
  const { connections, reach } = parts;
  const browser = new Browser(parts);
  const changes = new ConnectionChanges(parts);
  const show = (idOrName: string, account: Account) => connectionJson(connections, connections.find(idOrName), account);
  const progress = (account: Account, { id, state, connection, test, failure, url, give }: PendingSignIn) => ({
    id,
    state,
    connection: connection === undefined ? null : show(connection, account),
    test: test ?? null,
    error: failure ? { description: failure.line, code: failure.code, remedy: failure.remedy } : null,
    target: state === 'pending' ? url : null,
    needs_code: give !== undefined,
  });
  const requirePlatform = (platform: string): string => {
    if (!platformIds.includes(platform)) throw new Failure('no-such-address', { path: `platform ${platform}` });
    return platform;
  };
  const items = (address: string, method: 'GET' | 'POST'): Route =>
    list({
      method,
      reads: true,
      path: address,
      summary:
        method === 'GET'
          ? 'browse a connection, by the path or by the id of a folder; token: the id as well'
          : 'the same for what is too long for an address: the body is the token, or has it',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'items',
      key: 'item',
      query: { path: path.optional(), token: path.optional() },
      body: method === 'GET' ? z.undefined() : tokenBody,
      connectAs: true,
      reply: listedItemReply,
      page: ({ params, query, body, account, signal, spend, connectAs }, range) => {
        const connection = connections.find(params.id!);
        requireOwn(connection, connectAs);
        const given = typeof body === 'string' ? { token: body } : body;
        const place = {
          path: given?.path ?? query.path ?? '',
          item: params.item ?? (given?.token || query.token || undefined),
          q: given?.q ?? query.q,
        };
        return browser.list(connection, place, range, { account, signal, spend });
      },
    });
  return [
    list({
      path: '/v1/connections/platforms',
      summary: 'the platforms that connections can be made to',
      tag: TAG,
      causes: [],
      type: 'platforms',
      reply: platformReply,
      page: ({ query: { q } }, range) =>
        pageOf(
          platformIds.map(platformJson).filter(({ id, name }) => hasText(q, id, name)),
          range,
        ),
    }),
    one({
      path: '/v1/connections/platforms/:platform',
      summary: 'one platform',
      tag: TAG,
      causes: [],
      type: 'platform',
      reply: platformReply,
      run: ({ params }) => platformJson(requirePlatform(params.platform!)),
    }),
    one({
      path: '/v1/connections/platforms/:platform/new',
      summary: 'the form of a new connection, and the link by which a person signs in',
      tag: TAG,
      causes: ['procore', 'addresses'],
      begins: true,
      role: 'manage',
      type: 'authorization',
      query: { ...shownWords, ...notInAddresses },
      reply: linkReply,
      run: async ({ params, query, account }) => {
        const form = formOf(requirePlatform(params.platform!), connections, reach.roots);
        if (params.platform !== 'procore') return link(form, undefined, 'prompt');
        const pending = hasDefaultClient(connections) ? await signIns.begin(query, account) : undefined;
        return link(form, pending, 'oauth2');
      },
    }),
    one({
      method: 'POST',
      path: '/v1/connections/platforms/:platform/new',
      summary: 'the same, with custom credentials that do not stand in the address',
      tag: TAG,
      causes: ['procore', 'addresses'],
      type: 'authorization',
      body: z.strictObject({ credentials: z.enum(['default', 'custom']).optional(), ...signInWords }),
      reply: linkReply,
      run: async ({ params, account, body: { credentials, ...words } }) => {
        if (requirePlatform(params.platform!) !== 'procore')
          throw new Failure('request-refused-here', { what: 'this platform has no page to sign in at' });
        const { client_id: _, client_secret: __, domain: ___, ...rest } = words;
        const pending = await signIns.begin(credentials === 'default' ? rest : words, account);
        return link(formOf('procore', connections, reach.roots), pending, 'oauth2');
      },
    }),
    one({
      path: '/v1/connections/sign-ins/:id',
      summary: 'how a sign-in that was begun went',
      tag: TAG,
      causes: [],
      role: 'manage',
      type: 'sign_in',
      reply: signInReply,
      run: ({ params, account }) => progress(account, signIns.get(params.id!)),
    }),
    one({
      method: 'POST',
      path: '/v1/connections/sign-ins/:id',
      summary: 'the code that the sign-in page showed, or the address that has it; ask again how it went',
      tag: TAG,
      causes: ['procore', 'addresses'],
      type: 'sign_in',
      body: z.strictObject({ code: z.string().trim().min(1).max(4000) }),
      reply: signInReply,
      run: ({ params, account, body: { code } }) =>
        progress(account, signIns.give(params.id!, new Secret(codeIn(code)))),
    }),
    list({
      path: '/v1/connections',
      summary: 'the connections',
      tag: TAG,
      causes: [],
      type: 'connections',
      query: { platform: word.optional(), active: flag.optional(), sort: sortWord(SORTS) },
      reply: connectionReply,
      csv: ['id', 'name', 'platform.id', 'active', 'account.name', 'account.login', 'created_on'],
      page: ({ query: { q, platform, active, sort }, account }, range) =>
        pageOf(
          sorted(
            connections
              .all()
              .filter((one) => platform === undefined || one.platform === platform)
              .map((one) => connectionJson(connections, one, account))
              .filter((one) => (active === undefined || one.active === active) && hasText(q, one.name, one.id)),
            sort,
            SORTS,
          ),
          range,
        ),
    }),
    one({
      method: 'POST',
      path: '/v1/connections',
      summary: 'add a connection and test it; what does not pass the test is not kept',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'connection',
      status: 201,
      body: newConnection,
      reply: connectionReply,
      run: async ({ body, account, signal }) =>
        connectionJson(connections, await addConnection(parts, body, account, signal), account),
    }),
    one({
      path: '/v1/connections/:id',
      summary: 'one connection, without its secrets',
      tag: TAG,
      causes: [],
      type: 'connection',
      reply: connectionReply,
      run: ({ params, account }) => show(params.id!, account),
    }),
    ...(['PUT', 'PATCH'] as const).map((method) =>
      one({
        method,
        path: '/v1/connections/:id',
        summary: 'change the name, the place, the account or the secret; disabled: no job runs with it',
        tag: TAG,
        causes: ['procore', 'files', 'programs', 'addresses'],
        type: 'connection',
        body: changedConnection.optional(),
        reply: connectionReply,
        run: async ({ params, body = {}, account, signal }) =>
          connectionJson(connections, await changes.change(params.id!, body, account, signal), account),
      }),
    ),
    one({
      method: 'DELETE',
      path: '/v1/connections/:id',
      summary: 'end the sign-in at the server, and forget the connection and its secrets',
      tag: TAG,
      causes: ['procore', 'files', 'addresses'],
      type: 'connection',
      reply: z.object({ id: z.string(), name: z.string(), tokens: z.enum(['none', 'revoked', 'kept']) }),
      run: async ({ params }) => {
        const { id, name } = connections.find(params.id!);
        const { tokens } = await forgetConnection(connections, connections.find(id), parts.clock);
        return { id, name, tokens };
      },
    }),
    one({
      path: '/v1/connections/:id/edit',
      summary: 'the link by which a person signs in to it again',
      tag: TAG,
      causes: ['procore', 'addresses'],
      begins: true,
      role: 'manage',
      type: 'authorization',
      query: { by: shownWords.by },
      reply: linkReply,
      run: async ({ params, query: { by }, account }) => {
        const connection = connections.find(params.id!);
        const form = formOf(connection.platform, connections, reach.roots);
        if (isTarget(connection)) return link(form, undefined, 'prompt');
        return link(form, await signIns.again(connection, account, by), 'oauth2');
      },
    }),
    one({
      method: 'POST',
      path: '/v1/connections/:id/test',
      summary: 'sign in and look around: who, which company, which projects; of a target: whether it may be written',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'test',
      reply: testReply,
      run: ({ params, signal }) => testAnyConnection(parts, connections.find(params.id!), signal),
    }),
    ...(['GET', 'POST'] as const).flatMap((method) => [
      items('/v1/connections/:id/items', method),
      items('/v1/connections/:id/items/:item', method),
    ]),
    statsRoute(parts),
    list({
      path: '/v1/connections/:id/accounts',
      summary: 'whom the connection is signed in as',
      tag: TAG,
      causes: [],
      type: 'accounts',
      reply: accountReply,
      connectAs: true,
      page: ({ params, connectAs, account: who }, range) => {
        requireOwn(connections.find(params.id!), connectAs);
        const { account } = show(params.id!, who);
        return pageOf(account ? [account] : [], range);
      },
    }),
    plain({
      path: '/v1/connections/:id/projects',
      summary: 'the projects that the last test saw',
      tag: TAG,
      causes: [],
      query: { company: id.optional() },
      reply: z.object({
        projects: z.array(z.object({ id: z.number(), name: z.string(), company: z.number() })),
      }),
      run: ({ params }) => ({ projects: connections.get(params.id!).projects ?? [] }),
    }),
  ];
}

const hasText = (q: string | undefined, ...texts: readonly string[]): boolean =>
  q === undefined || texts.some((text) => text.toLowerCase().includes(q.toLowerCase()));

/** A person may paste the whole URL of the page; it contains the code. */
const codeIn = (text: string): string => (URL.canParse(text) && new URL(text).searchParams.get('code')) || text;
