import { createRequire } from 'node:module';

/**
 * s3rver as a process: `node s3-server.js FOLDER PORT`. Its listing leaves out folders that hold nothing but folders
 * (lib/stores/filesystem.js stops the walk below a common prefix before it has found a key there): here it walks on.
 */
const require = createRequire(import.meta.url);
const utilities = require('s3rver/lib/utils') as { walk: (folder: string) => Iterable<string> };
const { walk } = utilities;
utilities.walk = (folder) => walk(folder);

type Server = new (options: object) => { run(): Promise<unknown> };
const S3rver = require('s3rver') as Server;
const [directory, port] = process.argv.slice(2);
await new S3rver({
  directory,
  port: Number(port),
  address: '127.0.0.1',
  silent: true,
  configureBuckets: [{ name: 'bucket', configs: [] }],
}).run();
