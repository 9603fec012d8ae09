import t from 'tap';
import { deriveHosts, environments } from '#src/connections/hosts.js';

t.test('each host of Procore, as people enter it, gives the two that belong together', async (t) => {
  const table: Record<string, [api: string, login: string]> = {
    'https://api.procore.com/': ['https://api.procore.com', 'https://login.procore.com'],
    'https://api.procore.com': ['https://api.procore.com', 'https://login.procore.com'],
    'https://login.procore.com': ['https://api.procore.com', 'https://login.procore.com'],
    'login.procore.com': ['https://api.procore.com', 'https://login.procore.com'],
    'https://sandbox.procore.com': ['https://sandbox.procore.com', 'https://login-sandbox.procore.com'],
    'https://login-sandbox.procore.com/': ['https://sandbox.procore.com', 'https://login-sandbox.procore.com'],
    'https://api-monthly.procore.com': ['https://api-monthly.procore.com', 'https://login-sandbox-monthly.procore.com'],
    'https://login-sandbox-monthly.procore.com': [
      'https://api-monthly.procore.com',
      'https://login-sandbox-monthly.procore.com',
    ],
    'https://api.procoregov.com': ['https://api.procoregov.com', 'https://login.procoregov.com'],
    'https://login.procoregov.com/oauth/token': ['https://api.procoregov.com', 'https://login.procoregov.com'],
    // Never in the clear: these hosts take https alone.
    'http://api.procore.com': ['https://api.procore.com', 'https://login.procore.com'],
  };
  for (const [domain, [apiUrl, loginUrl]] of Object.entries(table))
    t.strictSame(deriveHosts({ domain }), { apiUrl, loginUrl, warning: undefined }, domain);
});

t.test('any login or API host of an environment gives both', async (t) => {
  for (const { name, api, login } of environments) {
    for (const entered of [api, login, `${api}/`, `${login}/oauth/authorize?x=1`, new URL(api).host]) {
      t.strictSame(deriveHosts({ domain: entered }), { apiUrl: api, loginUrl: login, warning: undefined }, name);
      t.strictSame(deriveHosts({ api: entered }).apiUrl, api, name);
    }
    t.equal(deriveHosts({ domain: login, api }).warning, undefined);
  }
  t.match(deriveHosts({}), { apiUrl: 'https://api.procore.com', loginUrl: 'https://login.procore.com' });
  t.equal(deriveHosts({ domain: 'HTTPS://API.Procore.com/' }).loginUrl, 'https://login.procore.com');
});

t.test('another host is taken with a warning', async (t) => {
  t.match(deriveHosts({ domain: 'https://login.procore.com.evil.example' }), {
    loginUrl: 'https://login.procore.com.evil.example',
    warning: /not known as Procore's/,
  });
  t.match(deriveHosts({ domain: 'http://proxy.example', api: 'http://proxy.example:81' }), {
    apiUrl: 'http://proxy.example:81',
    warning: /unencrypted/,
  });
  const local = deriveHosts({ domain: 'http://127.0.0.1:4001', api: 'http://127.0.0.1:4000' });
  t.match(local, { apiUrl: 'http://127.0.0.1:4000', loginUrl: 'http://127.0.0.1:4001' });
  t.notMatch(local.warning, /unencrypted/);
  const mixed = deriveHosts({ domain: environments[0].login, api: environments[1].api });
  t.match(mixed, { apiUrl: environments[1].api, loginUrl: environments[0].login, warning: /different environments/ });
});

t.test('what is no address is refused', async (t) => {
  for (const domain of ['ftp://api.procore.com', 'https://user:pw@api.procore.com', 'https://', 'a b'])
    t.throws(() => deriveHosts({ domain }), { code: 'usage' }, domain);
});
