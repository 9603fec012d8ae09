import { Failure, type FailureCode } from '../../base/errors.js';
import { oneLine } from '../../base/text.js';
import type { StorageType } from './types.js';

/**
 * Error texts of rclone's storages, in the words of many servers: the first matching row gives the failure. Checked
 * against rclone 1.60 with WebDAV, SFTP and S3; for others taken from their documentation.
 */
const WORDS: readonly (readonly [RegExp, FailureCode])[] = [
  [/directory not empty/i, 'target-not-empty'],
  [
    /no space left|insufficient.?storage|insufficient.?space|quota.?exceeded|storagequota|quotalimit|\b507\b|disk quota|storage_limit/i,
    'target-full',
  ],
  [/\b429\b|too.?many.?requests|rate.?limit|slow ?down|throttl|activitylimitreached/i, 'target-throttled'],
  [
    /\b401\b|unauthori[sz]ed|invalid_grant|fetch token|token expired|invalidaccesskeyid|signaturedoesnotmatch|unable to authenticate|invalid.?client|expired.?token|authenticationfailed|handshake failed/i,
    'target-login',
  ],
  [
    /object not found|directory not found|not found|no such (?:file|bucket|key|directory)|\b404\b|nosuch/i,
    'target-missing',
  ],
  [
    /\b403\b|permission denied|accessdenied|access denied|forbidden|insufficient.?permission|read.?only/i,
    'target-denied',
  ],
  [/name.?too.?long|keytoolong|invalid.?name|invalid.?file.?name|malformed|disallowed/i, 'target-name-refused'],
  [/entity.?too.?large|too large|file.?size.?limit|\b413\b/i, 'target-too-large'],
  [/\b423\b|locked|in use|resourcelocked/i, 'target-busy'],
  [
    /connection (?:refused|reset|lost|closed|timed out)|i\/o timeout|no such host|network is (?:unreachable|down)|no route to host|broken pipe|\beof\b|couldn't connect|failed to connect|closed (?:network )?connection|tls|deadline exceeded|temporary failure|bad gateway|service unavailable|gateway time|\b50[234]\b|use of closed|dial tcp/i,
    'target-unreachable',
  ],
];

/** rclone's own fixed error texts, for operations that it could not start. */
const OWN =
  /didn't find backend called "[\w -]{1,40}"|ssh: handshake failed|knownhosts: key (?:mismatch|is unknown)|x509: certificate (?:signed by unknown authority|has expired)|certificate is valid for|invalid credentials|must be specified|bad scheme|unsupported protocol scheme/i;
const MOST_WORDS = 5;

/**
 * rclone's errors contain the host's reply, sometimes a whole page. Where users may name the host, only phrases known
 * here are quoted: the reply of an internal host is confidential.
 */
function knownWords(text: string): string {
  const patterns = [OWN, ...WORDS.map(([words]) => words)];
  const found = patterns.flatMap((words) => words.exec(text)?.[0] ?? []);
  const unlike = new Set(found.map((words) => words.toLowerCase()));
  return [...unlike].slice(0, MOST_WORDS).join(', ') || 'it answered with something that is not understood';
}

/** @param type allows quoting where the host is fixed, or its key was checked */
export function rcloneFailure(
  text: string,
  target: string,
  path: string,
  { quotes }: Pick<StorageType, 'quotes'>,
): Failure {
  // "lookup HOST: no such host" must not be taken for a missing file.
  const code = /dial tcp|lookup |no such host/i.test(text)
    ? 'target-unreachable'
    : (WORDS.find(([words]) => words.test(text))?.[1] ?? 'target-failed');
  const why = quotes ? oneLine(text, 300) : knownWords(text);
  return new Failure(code, { target, path: path === '' ? '.' : path, why });
}
