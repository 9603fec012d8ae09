import type { CatalogueRow } from './catalogue.js';

/** Failures of writing to Procore. */
export const writingRows = {
  'reply-lost': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: 'the reply of {host} to {call} was lost: it may have been done',
    remedy: 'it is looked for before it is tried again',
  },
  'name-taken': {
    errno: 'EEXIST',
    http: 409,
    level: 'info',
    what: 'Procore has a "{name}" in that folder already',
    remedy: 'choose another name',
  },
  'name-refused': {
    errno: 'EINVAL',
    http: 422,
    level: 'warn',
    what: 'Procore refuses the name "{name}"',
    remedy: 'choose another name',
  },
  'checked-out': {
    errno: 'EBUSY',
    http: 409,
    level: 'warn',
    what: '{what} is checked out by {holder}',
    remedy: 'ask them to check it in, or an administrator; what is held here goes up then',
  },
  'content-refused': {
    errno: 'EINVAL',
    http: 422,
    level: 'warn',
    what: 'Procore does not take the content of {what}',
    remedy: 'see the reason; the bytes stay here',
  },
  'upload-unknown': {
    errno: 'EIO',
    http: 502,
    level: 'info',
    what: 'Procore does not know the upload for {what} (any more)',
    remedy: 'the bytes are sent again',
  },
  'upload-failed': {
    errno: 'EIO',
    http: 502,
    level: 'warn',
    what: 'the storage did not take the bytes of {what}',
    remedy: 'they stay here, and it is tried again',
  },
  'content-unreadable': {
    errno: 'EIO',
    http: 500,
    level: 'error',
    what: 'the bytes of {what} cannot be read',
    remedy: 'check the disk that holds the state folder',
  },
  'folder-unreadable': {
    errno: 'EACCES',
    http: 403,
    level: 'error',
    what: 'the folder {path} cannot be read',
    remedy: 'check that it exists and may be read by this user',
  },
  'content-changed': {
    errno: 'EBUSY',
    http: 409,
    level: 'info',
    what: '{what} changed while it was uploaded',
    remedy: 'it is uploaded again once it is at rest',
  },
} as const satisfies Record<string, CatalogueRow>;
