import { errnoOf, Failure, type FailureCode, isFailure } from '../../base/errors.js';

const CODES: Readonly<Record<string, FailureCode>> = {
  ENOENT: 'target-missing',
  EEXIST: 'target-exists',
  EISDIR: 'target-exists',
  ENOTDIR: 'target-exists',
  ENOTEMPTY: 'target-not-empty',
  ENOSPC: 'target-full',
  EDQUOT: 'target-full',
  EFBIG: 'target-too-large',
  EACCES: 'target-denied',
  EPERM: 'target-denied',
  EROFS: 'target-denied',
  EBUSY: 'target-busy',
  ETXTBSY: 'target-busy',
  EAGAIN: 'target-busy',
  EINVAL: 'target-name-refused',
  EILSEQ: 'target-name-refused',
  ENAMETOOLONG: 'target-name-refused',
  ELOOP: 'target-outside',
};

/** Error codes of the kernel for a share whose server is unreachable. */
const GONE = new Set([
  'ENOTCONN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENODEV',
  'ENXIO',
  'EPIPE',
  'ESHUTDOWN',
  'ESTALE',
  'ETIMEDOUT',
  'ENOLINK',
]);

/** @param remote whether the file system is on a network: EIO then means that the server is unreachable */
export function folderFailure(error: unknown, target: string, path: string, remote: boolean): Error {
  if (isFailure(error)) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return error instanceof Error ? error : new Error(String(error));
  if (errno === 'ABORT_ERR') return error as Error;
  const shown = path === '' ? '.' : path;
  if (GONE.has(errno) || (remote && errno === 'EIO'))
    return new Failure('target-unreachable', { target, why: errno }, error);
  const code = CODES[errno] ?? 'target-failed';
  return new Failure(code, { target, path: shown, why: (error as Error).message }, error);
}
