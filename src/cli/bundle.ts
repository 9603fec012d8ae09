import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { NATIVE_PACKAGES } from './native-packages.js';

/**
 * Build step: bundles the program into few files in `dist/bundle`. Node takes half a second to find and read the
 * several hundred modules of the daemon, and a tenth of that for a bundle.
 *
 * All programs are in one folder, so that `new URL('./writer-worker.js', import.meta.url)` means the same file
 * from each chunk.
 */
const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = join(dist, 'bundle');
const workers = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('-worker.js') && !/^(?:test|bundle)\//.test(name),
);

rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: ['cli/main.js', 'cli/command-line.js', ...workers].map((name) => join(dist, name)),
  entryNames: '[name]',
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: [...NATIVE_PACKAGES],
  // The CommonJS packages call `require`.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  keepNames: true,
  logLevel: 'warning',
});
