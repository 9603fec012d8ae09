import * as z from 'zod';
import type { AnyConnection, Connections } from '../../connections/store.js';
import { isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { OPTIONS } from '../../endpoints/options.js';
import { redactedUri } from '../../endpoints/setup.js';
import { type Account, permits } from '../access/account.js';
import { HIDDEN_VALUE } from '../http/wire.js';
import { platformJson } from './forms.js';

export const connectionReply = z.object({
  id: z.string(),
  name: z.string(),
  platform: z.object({ id: z.string(), name: z.string() }),
  disabled: z.boolean(),
  /** Enabled, and signed in or a target. */
  active: z.boolean(),
  created_on: z.number(),
  account: z.object({ id: z.string(), name: z.string().nullable(), login: z.string().nullable() }).nullable(),
  auth: z.record(z.string(), z.unknown()),
  company: z.number().nullable(),
  project: z.number().nullable(),
  links: z.object({ items: z.string(), edit: z.string() }),
});

/** Shows only options known to be harmless: others may hold a secret (a header, a command, a URL with a token). */
const shownOptions = ({ platform, options = {} }: TargetConnection): Record<string, string> =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => {
      const row = Object.hasOwn(OPTIONS[platform] ?? {}, name) ? OPTIONS[platform]![name] : undefined;
      return [name, row && !row.secret ? value : HIDDEN_VALUE];
    }),
  );

/** A connection without its secrets; the server, account and options are shown only to users who may change them. */
export function connectionJson(
  connections: Connections,
  one: AnyConnection,
  account: Account,
): z.input<typeof connectionReply> {
  const shown = wholeJson(connections, one);
  return permits(account, 'manage') ? shown : { ...shown, auth: {} };
}

function wholeJson(connections: Connections, one: AnyConnection): z.input<typeof connectionReply> {
  const shared = {
    id: one.id,
    name: one.name,
    platform: { id: one.platform, name: platformJson(one.platform).name },
    disabled: one.disabled === true,
    created_on: Math.floor(Date.parse(one.createdAt) / 1000),
    links: { items: `/v1/connections/${one.id}/items`, edit: `/v1/connections/${one.id}/edit` },
  };
  if (isTarget(one))
    return {
      ...shared,
      active: one.disabled !== true,
      account: one.username === undefined ? null : { id: one.username, name: one.username, login: one.username },
      auth: {
        uri: redactedUri(one.uri),
        ...(one.username === undefined ? {} : { username: one.username }),
        ...shownOptions(one),
      },
      company: null,
      project: null,
    };
  const { account, clientId, loginUrl, apiUrl, grant, defaultClient } = one;
  return {
    ...shared,
    active:
      one.disabled !== true &&
      (grant !== 'authorization-code' || connections.secrets.tokens(one.id)?.refresh !== undefined),
    account: account ? { id: String(account.id), name: account.name ?? null, login: account.login ?? null } : null,
    auth: {
      credentials: defaultClient ? 'default' : 'custom',
      client_id: clientId,
      domain: loginUrl,
      api: apiUrl,
      grant,
    },
    company: one.company ?? null,
    project: one.project ?? null,
  };
}
