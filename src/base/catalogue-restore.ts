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
    what: 'nothing that was {path} is in the recycle bin',
    remedy: 'list .procore/recycle of the mount to see what is there',
  },
  'restore-ambiguous': {
    errno: 'EINVAL',
    http: 409,
    level: 'error',
    what: '{count} items that were {path} are in the recycle bin',
    remedy: 'name one of them: {names}',
  },
  'restore-taken': {
    errno: 'EEXIST',
    http: 409,
    level: 'error',
    what: 'another item is at {path} by now',
    remedy: 'rename or move that one, then restore again; or copy the content out of .procore/recycle',
  },
  'restore-later': {
    errno: 'EAGAIN',
    http: 409,
    level: 'error',
    what: '{path} is being deleted at the server just now',
    remedy: 'try again in a moment',
  },
  'restore-refused': {
    errno: 'EACCES',
    http: 409,
    level: 'error',
    what: 'Procore does not give {path} back',
    remedy: 'restore it in Procore (Documents, Recycle Bin), or copy it out of .procore/recycle',
  },
  'removal-unchecked': {
    errno: 'EAGAIN',
    http: 503,
    level: 'warn',
    what: 'Procore does not show yet what went to the recycle bin with {path}',
    remedy: 'nothing: it is looked at again',
  },
  'unseen-in-bin': {
    errno: 'EIO',
    http: 409,
    level: 'error',
    what: '{path} was changed by somebody else just as it was deleted here, and Procore does not give it back',
    remedy: 'restore it in Procore (Documents, Recycle Bin)',
  },
} as const satisfies Record<string, CatalogueRow>;
