import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Secrets } from '#src/connections/secrets.js';
import { scratch } from '../support/net-server.js';

t.test('the default client comes from the configuration, or from systemd, or the reason is said', async (t) => {
  const state = scratch(t);
  const credentials = join(state, 'credentials');
  mkdirSync(credentials);
  const secretFile = join(state, 'client-secret');
  const ask = (config: object | undefined, withCredentials = false) => {
    if (config) writeFileSync(join(state, 'config.json'), JSON.stringify(config));
    return new Secrets(state, withCredentials ? credentials : undefined).defaultClient();
  };
  const inFile = { client_id: 'id', client_secret_file: secretFile };
  const refused: [object | undefined, string, RegExp][] = [
    [undefined, 'default-client-missing', /default_client is not set.*--client-id.*config\.json.*systemd/],
    [{ poll: '20s' }, 'default-client-missing', /is not set/],
    [{ default_client: { client_id: 'id' } }, 'default-client-missing', /no client_secret_file/],
    [{ default_client: inFile }, 'default-client-missing', /client-secret is missing or empty/],
    [{ default_client: { client: 'x' } }, 'usage', /cannot be used: client_id .*client/],
    [{ default_client: { ...inFile, client_secret_file: 'relative' } }, 'usage', /not an absolute path/],
    [{ default_clients: {} }, 'usage', /unknown key "default_clients"/],
  ];
  for (const [config, code, line] of refused) t.throws(() => ask(config), { code, line }, JSON.stringify(config));

  writeFileSync(secretFile, ' s3cr3t \n', { mode: 0o600 });
  const found = ask({ default_client: { ...inFile, domain: 'https://api.procore.com/' } });
  t.match(found, { clientId: 'id', domain: 'https://api.procore.com/' });
  t.equal(found.clientSecret.reveal(), 's3cr3t');
  chmodSync(secretFile, 0o640);
  t.throws(() => ask(undefined), { code: 'state-unsafe' });

  writeFileSync(join(credentials, 'procorefs.default-client-secret'), 'by-systemd\n');
  t.equal(ask({ default_client: { client_id: 'id' } }, true).clientSecret.reveal(), 'by-systemd');
  t.throws(() => ask({}, true), { code: 'default-client-missing' });
  writeFileSync(join(credentials, 'procorefs.default-client-id'), 'other\n');
  t.match(ask({}, true), { clientId: 'other', domain: undefined });
});
