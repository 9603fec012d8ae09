import type { CatalogueRow } from './catalogue-row.js';

/** Failures of signing in. */
export const signInRows = {
  'sign-in-refused': {
    errno: 'EACCES',
    http: 401,
    level: 'error',
    what: '{host} refused the sign-in of "{name}"',
    remedy:
      'check the client id and the secret, and that they belong to this host; `procorefs connections login {name}` takes a new secret',
  },
  'sign-in-denied': {
    errno: 'EACCES',
    http: 401,
    level: 'error',
    what: 'the user did not allow the app at {host}',
    remedy: 'try again, and allow the app',
  },
  'sign-in-expired': {
    errno: 'ETIMEDOUT',
    http: 408,
    level: 'error',
    what: 'nobody signed in within {seconds} s',
    remedy: 'try again; on a machine without a browser add --no-browser',
  },
  'sign-in-taken': {
    errno: 'EACCES',
    http: 409,
    level: 'error',
    what: 'the address of this sign-in was opened twice: another user of this machine may have been first',
    remedy: 'try again; if it happens again, add --no-browser, and find out who watches the processes of this machine',
  },
  'code-refused': {
    errno: 'EACCES',
    http: 401,
    level: 'error',
    what: '{host} did not accept the authorization code',
    remedy: 'try again: a code can be used once, within ten minutes',
  },
  'redirect-port-busy': {
    errno: 'EADDRINUSE',
    http: 409,
    level: 'error',
    what: 'port {port} of this machine is in use',
    remedy: 'choose another port with --port, or leave --port out',
  },
  'default-client-missing': {
    errno: 'ENOENT',
    http: 400,
    level: 'error',
    what: 'this installation has no default client',
    remedy:
      'name an app with --client-id and --client-secret-file, or set `"default_client": {"client_id": …, "client_secret_file": …}` in {config}, or the systemd credentials procorefs.default-client-id and procorefs.default-client-secret',
  },
  'secret-missing': {
    errno: 'EACCES',
    http: 401,
    level: 'error',
    what: 'there is no client secret for connection "{name}"',
    remedy: 'run `procorefs connections login {name}`, or give it as a systemd credential',
  },
  'signed-out': {
    errno: 'EACCES',
    http: 401,
    level: 'error',
    what: 'connection "{name}" is signed out',
    remedy: 'run `procorefs connections login {name}`',
  },
} as const satisfies Record<string, CatalogueRow>;
