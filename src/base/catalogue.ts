import { jobRows } from './catalogue-jobs.js';
import { mountingRows } from './catalogue-mounting.js';
import { restoreRows } from './catalogue-restore.js';
import { serverRows } from './catalogue-server.js';
import { setupRows } from './catalogue-setup.js';
import { signInRows } from './catalogue-sign-in.js';
import { targetRows } from './catalogue-targets.js';
import { writingRows } from './catalogue-writing.js';

/**
 * Every failure that people can meet, by code. `what` and `remedy` take `{details}`; the reason is added from the
 * cause. `errno` is what a file operation answers, `http` the status of an API reply.
 */
export interface CatalogueRow {
  readonly errno: string;
  readonly http: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly what: string;
  readonly remedy: string;
}

const rows = {
  internal: {
    errno: 'EIO',
    http: 500,
    level: 'error',
    what: 'an internal error happened',
    remedy: 'please report it with the log',
  },
  interrupted: {
    errno: 'EINTR',
    http: 499,
    level: 'debug',
    what: 'the operation was interrupted',
    remedy: 'repeat it',
  },
  usage: { errno: 'EINVAL', http: 400, level: 'error', what: '{what}', remedy: 'see --help' },

  'no-such-connection': {
    errno: 'ENOENT',
    http: 404,
    level: 'error',
    what: 'there is no connection "{name}" in {state}',
    remedy: '{hint}',
  },
  'connection-exists': {
    errno: 'EEXIST',
    http: 409,
    level: 'error',
    what: 'a connection "{name}" exists',
    remedy: 'choose another name, or remove it with `procorefs connections remove`',
  },
  'connection-disabled': {
    errno: 'EACCES',
    http: 409,
    level: 'error',
    what: 'the connection "{name}" is disabled',
    remedy: 'enable it with `procorefs connections enable`',
  },
  'connection-damaged': {
    errno: 'EIO',
    http: 500,
    level: 'error',
    what: 'the connection file {path} cannot be understood',
    remedy: 'restore it from a backup, or remove it and add the connection again',
  },
  'state-unwritable': {
    errno: 'EACCES',
    http: 500,
    level: 'error',
    what: 'the state folder {path} cannot be written',
    remedy: 'make it writable for this user, or name another with --state',
  },
  'state-unsafe': {
    errno: 'EACCES',
    http: 500,
    level: 'error',
    what: '{path} may be read or changed by others (mode {mode})',
    remedy: 'run `chmod go-rwx {path}`: it holds secrets; what others could write there, look through first',
  },
  'state-foreign': {
    errno: 'EACCES',
    http: 500,
    level: 'error',
    what: '{path} belongs to another user (uid {owner})',
    remedy:
      'run this as that user or name another folder with --state; to take it over, look through it and `chown` it',
  },
  'already-owned': {
    errno: 'EBUSY',
    http: 409,
    level: 'error',
    what: 'another process (pid {pid}) owns the mirror of this project',
    remedy: 'use its mount, or unmount it first',
  },
  'database-damaged': {
    errno: 'EIO',
    http: 500,
    level: 'error',
    what: 'the database {path} is damaged',
    remedy: '{hint}',
  },
  'database-newer': {
    errno: 'EIO',
    http: 500,
    level: 'error',
    what: 'the database {path} was written by a newer procorefs',
    remedy: 'update procorefs',
  },

  unreachable: {
    errno: 'ENETUNREACH',
    http: 502,
    level: 'warn',
    what: '{host} cannot be reached',
    remedy: 'check the network, the name and the firewall; it is tried again',
  },
  ...setupRows,
  ...signInRows,
  'not-permitted': {
    errno: 'EACCES',
    http: 403,
    level: 'error',
    what: 'Procore does not permit {what}',
    remedy: '{hint}',
  },
  'app-not-installed': {
    errno: 'EACCES',
    http: 403,
    level: 'error',
    what: 'the app is not connected to company {company}',
    remedy: "install it in the company's App Management, then try again",
  },
  'tool-not-permitted': {
    errno: 'EACCES',
    http: 403,
    level: 'error',
    what: 'the Documents tool of project {project} is switched off or not permitted to this account',
    remedy: "switch the tool on in the project's settings, and permit the project to the app or the user to the tool",
  },
  'project-not-permitted': {
    errno: 'EACCES',
    http: 403,
    level: 'error',
    what: 'project {project} is not permitted to this account',
    remedy:
      "add the project to the app's permissions in the company's App Management, or the user to the project's directory",
  },
  'company-needed': {
    errno: 'EINVAL',
    http: 400,
    level: 'error',
    what: 'this account needs its company named',
    remedy: "add --company ID (the number in the company's web address)",
  },
  'no-such-project': {
    errno: 'ENOENT',
    http: 404,
    level: 'error',
    what: 'connection "{name}" sees no project "{project}"',
    remedy: 'see `procorefs projects {name}`; the project must be permitted to the app',
  },
  'ambiguous-project': {
    errno: 'EINVAL',
    http: 400,
    level: 'error',
    what: '{count} projects are called "{project}" ({ids})',
    remedy: 'name one by its id',
  },
  'no-such-item': {
    errno: 'ENOENT',
    http: 404,
    level: 'debug',
    what: 'there is no {path}',
    remedy: 'list its folder to see what there is',
  },
  'not-a-folder': {
    errno: 'ENOTDIR',
    http: 400,
    level: 'debug',
    what: '{path} is not a folder',
    remedy: 'name a folder',
  },
  'bad-reply': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: '{host} answered {call} with something that is not understood',
    remedy: 'it is tried again; if it stays, report it with the log',
  },
  'server-error': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: '{host} answered {call} with {status}',
    remedy: 'it is tried again; if it stays, see status.procore.com',
  },
  'request-refused': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: '{host} refused {call} with {status}',
    remedy: 'see the log',
  },
  gone: {
    errno: 'ENOENT',
    http: 404,
    level: 'info',
    what: '{what} is not at the server any more',
    remedy: 'list its folder again',
  },
  ...writingRows,
  ...restoreRows,
  ...jobRows,
  ...targetRows,
  ...serverRows,
  'budget-exhausted': {
    errno: 'EAGAIN',
    http: 503,
    level: 'warn',
    what: 'the API calls of this hour are spent until {until}',
    remedy: 'wait, or raise budget_wait; what is mirrored and cached goes on working',
  },

  'download-failed': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: 'the storage did not deliver {path}',
    remedy: 'it is tried again at the next read',
  },
  'content-encoded': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: 'the storage sent {path} encoded ({coding}), although it was asked for the bytes as they are',
    remedy: 'look for a proxy between this machine and the storage that compresses what it passes on',
  },
  'version-changed': {
    errno: 'ESTALE',
    http: 502,
    level: 'warn',
    what: 'the storage has other bytes of {path} than those that were read before',
    remedy: 'open the file again: it is fetched anew',
  },
  'url-expired': {
    errno: 'EIO',
    http: 502,
    level: 'info',
    what: 'the download URL of {path} has expired',
    remedy: 'it is renewed with the next listing, and the read repeated',
  },
  'preview-budget': {
    errno: 'EAGAIN',
    http: 503,
    level: 'warn',
    what: '{by} has fetched {limit} for previews and indexes within an hour, and gets no more for now',
    remedy: 'wait, keep it out of the mount, or raise preview_budget; what is cached stays readable for it',
  },
  'version-gone': {
    errno: 'ESTALE',
    http: 410,
    level: 'info',
    what: 'the version of {path} that was opened is not at the server any more',
    remedy: 'open the file again',
  },
  'wrong-size': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: 'the storage has {actual} bytes of {path} where Procore says {expected}',
    remedy: 'refresh the folder; if it stays, open the file in Procore',
  },

  'no-such-upload': {
    errno: 'ENOENT',
    http: 404,
    level: 'error',
    what: 'nothing with the id {id} waits in the outbox',
    remedy: 'see `procorefs uploads`',
  },
  'uploads-left': {
    errno: 'EAGAIN',
    http: 503,
    level: 'warn',
    what: '{count} changes are not at the server yet',
    remedy: 'they are safe on disk and go on with the next mount; see `procorefs uploads`',
  },
  'daemon-ending': {
    errno: 'EBUSY',
    http: 503,
    level: 'info',
    what: 'the daemon of this project is ending',
    remedy: 'try again in a moment',
  },
  'owner-fixed': {
    errno: 'EPERM',
    http: 403,
    level: 'debug',
    what: 'the mount does not change owners (strict_owner): {path}',
    remedy: 'choose uid and gid when you mount, or mount without strict_owner',
  },
  'delete-forbidden': {
    errno: 'EPERM',
    http: 403,
    level: 'info',
    what: 'the mount does not delete (no_delete)',
    remedy: 'delete in Procore, or mount without no_delete',
  },
  'parent-missing': {
    errno: 'ENOENT',
    http: 409,
    level: 'warn',
    what: 'the folder of {path} is not at the server',
    remedy: 'it goes up once its folder is there',
  },
  'read-only': {
    errno: 'EROFS',
    http: 403,
    level: 'debug',
    what: 'the mount is read-only',
    remedy: 'change the file in Procore',
  },
  'name-too-long': {
    errno: 'ENAMETOOLONG',
    http: 400,
    level: 'debug',
    what: 'the name is longer than 255 bytes',
    remedy: 'choose a shorter one',
  },
  ...mountingRows,
  'install-foreign': {
    errno: 'EEXIST',
    http: 409,
    level: 'error',
    what: '{path} exists and is not ours',
    remedy: 'look at it, and remove it yourself if nothing needs it',
  },
  'install-unsafe': {
    errno: 'EPERM',
    http: 403,
    level: 'error',
    what: 'root would run what others can change: {path}',
    remedy:
      'put Node and procorefs where only root may write in every folder on the way, as below /opt (`chown -R root:root`, `chmod -R go-w`), and run `procorefs install` from there',
  },
  'install-denied': {
    errno: 'EACCES',
    http: 403,
    level: 'error',
    what: '{path} cannot be written',
    remedy: 'run this as root, or choose a folder with --prefix',
  },
  'packages-missing': {
    errno: 'ENOENT',
    http: 500,
    level: 'error',
    what: 'Debian packages are missing: {packages}',
    remedy: 'run `apt-get install -y {packages}` as root',
  },
} as const satisfies Record<string, CatalogueRow>;

export const catalogue: { readonly [Code in keyof typeof rows]: CatalogueRow } = rows;
