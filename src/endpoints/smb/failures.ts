import { Failure, type FailureCode } from '../../base/errors.js';

/** [MS-ERREF] 2.3. */
const STATUS: Readonly<Record<string, FailureCode>> = {
  NO_SUCH_FILE: 'target-missing',
  OBJECT_NAME_NOT_FOUND: 'target-missing',
  OBJECT_PATH_NOT_FOUND: 'target-missing',
  NOT_FOUND: 'target-missing',
  BAD_NETWORK_NAME: 'target-missing',
  OBJECT_NAME_COLLISION: 'target-exists',
  FILE_IS_A_DIRECTORY: 'target-exists',
  NOT_A_DIRECTORY: 'target-exists',
  DIRECTORY_NOT_EMPTY: 'target-not-empty',
  DISK_FULL: 'target-full',
  DISK_QUOTA_EXCEEDED: 'target-full',
  QUOTA_EXCEEDED: 'target-full',
  ACCESS_DENIED: 'target-denied',
  NETWORK_ACCESS_DENIED: 'target-denied',
  MEDIA_WRITE_PROTECTED: 'target-denied',
  LOGON_FAILURE: 'target-login',
  ACCOUNT_DISABLED: 'target-login',
  ACCOUNT_LOCKED_OUT: 'target-login',
  PASSWORD_EXPIRED: 'target-login',
  PASSWORD_MUST_CHANGE: 'target-login',
  WRONG_PASSWORD: 'target-login',
  NO_SUCH_USER: 'target-login',
  SHARING_VIOLATION: 'target-busy',
  FILE_LOCK_CONFLICT: 'target-busy',
  DELETE_PENDING: 'target-busy',
  OBJECT_NAME_INVALID: 'target-name-refused',
  NAME_TOO_LONG: 'target-name-refused',
  CONNECTION_REFUSED: 'target-unreachable',
  CONNECTION_RESET: 'target-unreachable',
  CONNECTION_DISCONNECTED: 'target-unreachable',
  CONNECTION_ABORTED: 'target-unreachable',
  CONNECTION_INVALID: 'target-unreachable',
  HOST_UNREACHABLE: 'target-unreachable',
  NETWORK_UNREACHABLE: 'target-unreachable',
  IO_TIMEOUT: 'target-unreachable',
  END_OF_FILE: 'target-unreachable',
  NETWORK_NAME_DELETED: 'target-unreachable',
  USER_SESSION_DELETED: 'target-unreachable',
  UNSUCCESSFUL: 'target-unreachable',
};

/** Lines that contain names and no failures: those of listings and of transfers. */
const NAMES = /^(?: {2}|(?:getting|putting) file ).*$/gm;

/** The failure in smbclient's output, if there is one. */
export function smbFailure(text: string, target: string, path: string): Failure | undefined {
  const status = /NT_STATUS_([A-Z0-9_]+)/.exec(text.replace(NAMES, ''))?.[1];
  if (status === undefined) return undefined;
  const why = `NT_STATUS_${status}`;
  return new Failure(STATUS[status] ?? 'target-failed', { target, path: path === '' ? '.' : path, why });
}
