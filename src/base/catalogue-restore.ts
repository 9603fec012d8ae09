import type { CatalogueRow } from './catalogue-row.js';

/** Failures of `.procore` and of restoring items. */
export const restoreRows = {
  'hidden-read-only': {
    errno: 'EROFS',
    http: 403,
    level: 'debug',
    what: 'nothing in .procore can be changed',
    remedy: 'copy what you need out of it; `procorefs restore` brings a deleted item back',
  },
  'not-in-bin': {
    errno: 'ENOENT',
    http: 404,
    level: 'error',
    what: 'the recycle bin has no item that was at {path}',
    remedy: 'list .procore/recycle of the mount to see what is there',
  },
  'restore-ambiguous': {
    errno: 'EINVAL',
    http: 409,
    level: 'error',
    what: 'the recycle bin has {count} items that were at {path}',
    remedy: 'name one of them: {names}',
  },
  'restore-taken': {
    errno: 'EEXIST',
    http: 409,
    level: 'error',
    what: 'another item is at {path}',
    remedy: 'rename or move that item, then restore again; or copy the content out of .procore/recycle',
  },
  'restore-later': {
    errno: 'EAGAIN',
    http: 409,
    level: 'error',
    what: 'the server is deleting {path} just now',
    remedy: 'try again in a moment',
  },
  'restore-refused': {
    errno: 'EACCES',
    http: 409,
    level: 'error',
    what: 'Procore refuses to restore {path}',
    remedy: 'restore it in Procore (Documents, Recycle Bin), or copy it out of .procore/recycle',
  },
  'removal-unchecked': {
    errno: 'EAGAIN',
    http: 503,
    level: 'warn',
    what: 'Procore does not show yet what was deleted together with {path}',
    remedy: 'nothing; procorefs checks again',
  },
  'unseen-in-bin': {
    errno: 'EIO',
    http: 409,
    level: 'error',
    what: '{path} was changed by another user while it was deleted here, and Procore refuses to restore it',
    remedy: 'restore it in Procore (Documents, Recycle Bin)',
  },
} as const satisfies Record<string, CatalogueRow>;
