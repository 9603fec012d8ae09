import { errnoOf, Failure } from './errors.js';

/** Runs work on the disk of the state folder. @throws Failure `disk-full`, `disk-failed` */
export function onDisk<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskFailure(error);
  }
}

/** Converts a disk error of a system call or of SQLite to a Failure; returns any other error unchanged. */
export function diskFailure(error: unknown): unknown {
  const code = errnoOf(error) ?? '';
  const disk = 'the disk of the state folder';
  if (/^(ENOSPC|EDQUOT|SQLITE_FULL)$/.test(code))
    return new Failure('disk-full', { path: 'what is written', disk }, error);
  if (/^(EIO|EROFS|SQLITE_IOERR.*|SQLITE_READONLY.*|SQLITE_CANTOPEN.*)$/.test(code))
    return new Failure('disk-failed', { disk }, error);
  return error;
}
