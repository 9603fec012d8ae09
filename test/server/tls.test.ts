import { chmodSync, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import t from 'tap';
import { readTlsPair } from '#src/server/http/tls.js';
import { certificate } from '../support/certificate.js';
import { Installation } from '../support/mounted.js';
import { RunningService } from '../support/service.js';

const PASSWORD = 'correct horse battery';

t.test('the service speaks HTTPS, and takes another certificate while it runs', async (t) => {
  const installation = new Installation(t);
  const [one, two] = ['one', 'two'].map((name) => certificate(join(installation.folder, 'made'), name)) as [
    { cert: string; key: string },
    { cert: string; key: string },
  ];
  const live = { cert: join(installation.folder, 'live.pem'), key: join(installation.folder, 'live.key') };
  const put = (cert: string, key: string): void => {
    copyFileSync(key, live.key);
    copyFileSync(cert, live.cert);
  };
  put(one.cert, one.key);
  await installation.must(['users', 'add', 'ann', '--role', 'manage'], { input: `${PASSWORD}\n` });
  const words = ['--listen', '127.0.0.1:0', '--tls-cert', live.cert, '--tls-key', live.key];

  await t.test('what cannot be is refused at the start', async (t) => {
    const refused = async (more: readonly string[], why: RegExp): Promise<void> => {
      const { code, stderr } = await installation.procorefs(['serve', ...more]);
      t.ok(code === 1 || code === 2, stderr);
      t.match(stderr, why);
    };
    await refused(words.slice(0, 4), /--tls-cert and --tls-key go together/);
    await refused(words.slice(2), /a unix socket takes no certificate/);
    for (const mode of [0o644, 0o604, 0o602, 0o620]) {
      chmodSync(live.key, mode);
      t.throws(() => readTlsPair(live), {
        code: 'state-unsafe',
        message: /other users may read or change \S+live\.key/,
      });
    }
    chmodSync(live.key, 0o600);
    await refused([...words.slice(0, 5), two.key], /cannot be used: .*key values mismatch/);
    await refused([...words.slice(0, 5), '/none/such'], /cannot be used: ENOENT/);
    await refused([...words.slice(0, 3), '/etc/hostname', ...words.slice(4)], /cannot be used/);
  });

  const service = await RunningService.start(t, installation, words);
  const url = new URL(service.http);
  t.equal(url.protocol, 'https:');
  const ask = (ca: string, path: string, token?: string): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const options = { ca: readFileSync(ca), agent: false, headers };
      const sent = request(new URL(path, url), options, (reply) => {
        let text = '';
        reply
          .on('data', (chunk) => (text += chunk))
          .once('end', () => resolve({ status: reply.statusCode ?? 0, text }));
      });
      sent.once('error', reject).end();
    });
  const served = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: Number(url.port), rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.once('error', reject);
    });
  const lines = (what: RegExp): number =>
    installation
      .log()
      .split('\n')
      .filter((line) => what.test(line)).length;

  await t.test('requests are answered as over plain HTTP, which is not', async (t) => {
    const { status, text } = await ask(one.cert, '/v1/session');
    t.equal(status, 401);
    t.match(text, /not-signed-in/);
    await t.rejects(ask(two.cert, '/v1/session'), { code: /CERT|SELF_SIGNED/ });
    const plain = await new Promise<string>((resolve) => {
      let all = '';
      const socket = connectPlain(Number(url.port), '127.0.0.1', () =>
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      );
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => (all += chunk)).once('close', () => resolve(all));
    });
    t.notMatch(plain, /HTTP\/1\.1 200/);
    t.notMatch(installation.log(), /go over the network/);
  });

  await t.test('SIGHUP reads the pair again; one that does not fit is told once, and the last one stays', async (t) => {
    put(two.cert, one.key);
    service.child.kill('SIGHUP');
    while (lines(/the certificate stays as it was/) === 0) await sleep(50);
    t.equal(await served(), 'one');
    put(two.cert, two.key);
    service.child.kill('SIGHUP');
    while ((await served()) !== 'two') await sleep(50);
    t.equal((await ask(two.cert, '/v1/session')).status, 401);
    t.equal(service.child.exitCode, null, 'it goes on');
  });

  await t.test('the files are looked at as well', async (t) => {
    put(one.cert, one.key);
    while ((await served()) !== 'one') await sleep(100);
    rmSync(live.key);
    t.notOk(existsSync(live.key));
    const before = lines(/the certificate stays as it was/);
    while (lines(/the certificate stays as it was/) === before) await sleep(100);
    t.equal(await served(), 'one');
  });

  await t.test('who says nothing after it connected is sent away', async (t) => {
    const silent = connectPlain(Number(url.port), '127.0.0.1');
    const half = connectPlain(Number(url.port), '127.0.0.1', () => half.write(Buffer.from([22, 3, 1])));
    const shaken = connect({ host: '127.0.0.1', port: Number(url.port), rejectUnauthorized: false });
    for (const socket of [silent, half, shaken]) {
      socket.on('error', () => undefined).resume();
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
    }
    t.pass('all are gone');
  });

  writeFileSync(live.key, '');
  t.equal(await service.end('SIGTERM'), 0);
});
