import { errnoOf, Failure } from './errors.js';

/** Does something with the state folder's disk. @throws Failure `disk-full`, `disk-failed` */
export function onDisk<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskFailure(error);
  }
}

/** What a file system call or SQLite failed with, in the catalogue's words; what is no matter of the disk as it is. */
export function diskFailure(error: unknown): unknown {
  const code = errnoOf(error) ?? '';
  const disk = 'the disk of the state folder';
  if (/^(ENOSPC|EDQUOT|SQLITE_FULL)$/.test(code))
    return new Failure('disk-full', { path: 'what is written', disk }, error);
  if (/^(EIO|EROFS|SQLITE_IOERR.*|SQLITE_READONLY.*|SQLITE_CANTOPEN.*)$/.test(code))
    return new Failure('disk-failed', { disk }, error);
  return error;
}
