import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { readConfiguration } from '../base/configuration.js';
import { errnoOf, Failure } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { readPrivateFile } from './files.js';

const section = z.strictObject({
  client_id: z.string().min(1),
  client_secret_file: z.string().startsWith('/', 'it is not an absolute path').optional(),
  domain: z.string().optional(),
  api: z.string().optional(),
});

/** The OAuth app for connections without an app of their own. */
export interface DefaultClient {
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** As entered by a person; undefined: production. */
  readonly domain: string | undefined;
  /** Needed where the API's host cannot be derived from the domain. */
  readonly api?: string | undefined;
}

/**
 * The installation's default client: `default_client` in the configuration file, or the systemd credentials
 * `procorefs.default-client-id` and `procorefs.default-client-secret`; the two may be mixed.
 * @throws Failure `default-client-missing`, `usage` for an invalid section, `state-unsafe`
 */
export function defaultClient(stateFolder: string, credentials: string | undefined): DefaultClient {
  const config = join(stateFolder, 'config.json');
  const missing = (why: string): Failure => new Failure('default-client-missing', { config, why });
  const raw = readConfiguration(config).default_client;
  const parsed = raw === undefined ? undefined : section.safeParse(raw);
  if (parsed?.error)
    throw new Failure('usage', {
      what: `default_client in ${config} cannot be used`,
      why: parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`.trim()).join('; '),
    });
  const set = parsed?.data;
  const clientId = set?.client_id ?? credential(credentials, 'procorefs.default-client-id')?.reveal();
  if (clientId === undefined) throw missing('default_client is not set in its configuration');
  const file = set?.client_secret_file;
  const fromFile = file === undefined ? undefined : readPrivateFile(file)?.trim();
  if (file !== undefined && !fromFile) throw missing(`its client_secret_file ${file} is missing or empty`);
  const clientSecret =
    fromFile === undefined ? credential(credentials, 'procorefs.default-client-secret') : new Secret(fromFile);
  if (!clientSecret) throw missing('default_client has no client_secret_file, and there is no systemd credential');
  return { clientId, clientSecret, domain: set?.domain, ...(set?.api === undefined ? {} : { api: set.api }) };
}

/** The content of a systemd credential, systemd.exec(5). */
export function credential(folder: string | undefined, name: string): Secret | undefined {
  if (folder === undefined) return undefined;
  try {
    const text = readFileSync(join(folder, name), 'utf8').trim();
    return text === '' ? undefined : new Secret(text);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
