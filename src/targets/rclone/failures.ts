import { Failure, type FailureCode } from '../../base/errors.js';

/**
 * What rclone's storages say, in the words of dozens of servers: the first row that fits names the failure. Checked
 * against rclone 1.60 with WebDAV, SFTP and S3; for others as their documentation words it.
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

export function rcloneFailure(text: string, target: string, path: string): Failure {
  // "lookup HOST: no such host" must not be taken for a missing file.
  const code = /dial tcp|lookup |no such host/i.test(text)
    ? 'target-unreachable'
    : (WORDS.find(([words]) => words.test(text))?.[1] ?? 'target-failed');
  return new Failure(code, { target, path: path === '' ? '.' : path, why: text });
}
