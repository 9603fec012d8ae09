import t from 'tap';
import { openTarget } from '#src/endpoints/open.js';
import { redactedUri } from '#src/endpoints/redacted.js';
import fc from '../support/properties.js';
import { ServerFolder } from '../support/target-servers.js';

const user = fc.stringMatching(/^[a-z0-9._%;+-]{0,12}$/);
const host = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,12}$/);
/** Nothing that an address could have of itself; any characters besides. */
const password = fc
  .tuple(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }))
  .map(([a, b]) => `${a.replace(/[/\\]/g, '')}QzXv9${b.replace(/[/\\]/g, '')}`);
const folder = fc.stringMatching(/^[a-z0-9@:._-]{0,10}(?:\/[a-z0-9@:._-]{0,10})?$/);

t.test('no password is shown, whatever it is made of and however the address is written', async (t) => {
  fc.assert(
    fc.property(user, password, host, folder, (user, password, host, folder) => {
      for (const [before, after] of [
        ['https://', `/${folder}`],
        ['sftp://', ':2222/x'],
        ['smb://', '/share'],
        ['//', '/share'],
        ['\\\\', '\\share'],
        ['', `:${folder}`],
        ['', `:/${folder}`],
        ['', ''],
      ]) {
        const shown = redactedUri(`${before}${user}:${password}@${host}${after}`);
        if (shown.includes('QzXv9')) throw new Error(`${before}${user}:${password}@${host}${after} → ${shown}`);
        if (!shown.startsWith(`${before}${user}:[secret]@`)) throw new Error(shown);
      }
    }),
    { numRuns: 2000 },
  );
  t.equal(redactedUri('user:a/b@host:folder'), 'user:[secret]@host:folder');
  t.equal(redactedUri('https://user:a/b@host/x'), 'https://user:[secret]@host/x');
});

t.test('what has no password is shown as it is', async (t) => {
  for (const uri of [
    '/home/a:b@c',
    'bucket/folder',
    'https://cloud.example:8443/remote.php/dav/files/john@corp.com/',
    'https://cloud.example/files/john@corp.com/a:b',
    'https://[2001:db8::1]:8443/files/john@corp.com',
    'host:folder',
    'user@host:/home/john@corp.com',
    'host:/home/john@corp.com',
    'user@[2001:db8::1]:/x',
    '//server/share/a:b@c',
    '\\\\server\\share',
    '',
  ])
    t.equal(redactedUri(uri), uri);
});

t.test('an address that is refused does not tell its password', async (t) => {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const options = { mayWrite: true, state: folder.at('state'), signal: AbortSignal.timeout(30_000) };
  for (const [platform, uri] of [
    ['rsync', 'user:QzXv9@host:/folder'],
    ['smb', '//user:QzXv9@server/share'],
    ['nfs', '//user:QzXv9@server/share'],
    ['webdav', 'user:QzXv9@server/share'],
  ] as const) {
    const error = await openTarget({ platform, uri }, options).catch(String);
    t.notMatch(error, 'QzXv9', platform);
    t.match(error, /\[secret\]|takes no password/);
  }
});
