import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Secret } from '#src/base/secret.js';
import type { OpenOptions, TargetDefinition } from '#src/endpoints/definition.js';
import { openTarget } from '#src/endpoints/open.js';
import type { Target } from '#src/endpoints/target.js';
import { makeKey, ServerFolder, serveS3, serveSftp, serveWebdav, type TestServer } from '../support/target-servers.js';
import { conformance, signal } from './conformance.js';

interface Case {
  readonly title: string;
  serve(folder: ServerFolder): Promise<TestServer>;
  define(server: TestServer, folder: ServerFolder): TargetDefinition;
  readonly password?: string;
  /** s3rver adds an ending to names, and keeps them as files. */
  readonly longestName?: number;
  /** Where the server keeps a file. */
  readonly kept?: (path: string) => string;
}

const hostKeyOf = (folder: ServerFolder): string => makeKey(folder.at('host'));

const CASES: readonly Case[] = [
  {
    title: 'a WebDAV server',
    serve: serveWebdav,
    define: ({ port }) => ({ platform: 'webdav', uri: `http://127.0.0.1:${port}`, username: 'procorefs' }),
    password: 'secret word',
    kept: (path) => path,
  },
  {
    title: 'an SFTP server',
    serve: (folder) => serveSftp(folder, hostKeyOf(folder)),
    define: ({ port }, folder) => {
      const known = folder.at('known_hosts');
      writeFileSync(known, `[127.0.0.1]:${port} ${readFileSync(folder.at('host.pub'), 'utf8')}`);
      const options = { known_hosts_file: known };
      return { platform: 'sftp', uri: `127.0.0.1:${port}`, username: 'procorefs', options };
    },
    password: 'secret word',
    kept: (path) => path,
  },
  {
    title: 'an S3 store',
    serve: serveS3,
    define: ({ port }) => ({
      platform: 's3',
      uri: 'bucket/folder',
      username: 'S3RVER',
      options: { endpoint: `http://127.0.0.1:${port}`, force_path_style: 'true' },
    }),
    password: 'S3RVER',
    longestName: 220,
  },
];

// Most of the time goes into waiting for servers.
t.jobs = CASES.length;
for (const one of CASES)
  t.test(one.title, { buffered: true }, async (t) => {
    const folder = new ServerFolder();
    t.teardown(() => folder.remove());
    const server = await one.serve(folder);
    t.teardown(() => server.kill());
    const options: OpenOptions = {
      mayWrite: true,
      state: folder.at('local'),
      signal,
      ...(one.password === undefined ? {} : { password: new Secret(one.password) }),
    };
    const target: Target = await openTarget(one.define(server, folder), options);
    t.teardown(() => target.close());
    const { kept, longestName } = one;
    conformance(t, () => ({
      target,
      ...(kept ? { files: folder.files, peek: async (path) => readFileSync(join(folder.files, kept(path))) } : {}),
      ...(longestName === undefined ? {} : { longestName }),
      vanish: () => server.kill(),
      comeBack: () => server.start(),
    }));
  });
