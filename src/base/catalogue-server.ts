import type { CatalogueRow } from './catalogue.js';

/** Failures of the HTTP API: who asks, and what for. */
export const serverRows = {
  'not-signed-in': {
    errno: 'EACCES',
    http: 401,
    level: 'info',
    what: 'the request has no valid access token',
    remedy: 'get one from POST /connect/token and send it as "Authorization: Bearer TOKEN"',
  },
  'role-too-low': {
    errno: 'EACCES',
    http: 403,
    level: 'info',
    what: 'this takes the role "{role}"',
    remedy: 'sign in as another user, or make one with `procorefs users add NAME --role {role}`',
  },
  'foreign-origin': {
    errno: 'EACCES',
    http: 403,
    level: 'warn',
    what: 'the request comes from a page of another site',
    remedy: 'open the page of this service itself',
  },
  'login-refused': {
    errno: 'EACCES',
    http: 400,
    level: 'warn',
    what: 'the sign-in was refused',
    remedy: 'check name and password; `procorefs users add` makes users',
  },
  'login-throttled': {
    errno: 'EAGAIN',
    http: 429,
    level: 'warn',
    what: 'too many sign-ins have failed',
    remedy: 'try again in {seconds} s',
  },
  'no-users': {
    errno: 'EACCES',
    http: 400,
    level: 'error',
    what: 'nobody could sign in at {listen}: there are no users',
    remedy: 'make one with `procorefs users add NAME --role manage`, or leave out --listen for a socket of your own',
  },
  'user-exists': {
    errno: 'EEXIST',
    http: 409,
    level: 'info',
    what: 'there is a user "{name}"',
    remedy: 'remove that one first, or choose another name',
  },
  'no-such-user': {
    errno: 'ENOENT',
    http: 404,
    level: 'info',
    what: 'there is no user "{name}"',
    remedy: '`procorefs users list` shows those that there are',
  },
  'request-refused-here': {
    errno: 'EINVAL',
    http: 400,
    level: 'info',
    what: '{what}',
    remedy: 'see /v1/openapi.json for what is taken',
  },
  'request-too-large': {
    errno: 'EFBIG',
    http: 413,
    level: 'info',
    what: 'the body of the request is larger than {limit} bytes',
    remedy: 'send less',
  },
  'no-such-address': {
    errno: 'ENOENT',
    http: 404,
    level: 'debug',
    what: 'there is none: {path}',
    remedy: 'see /v1/openapi.json for what there is',
  },
  'listen-refused': {
    errno: 'EADDRINUSE',
    http: 409,
    level: 'error',
    what: 'the service cannot listen at {listen}',
    remedy: 'choose another address, or end what listens there',
  },
} as const satisfies Record<string, CatalogueRow>;
