import { copyFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Build step: copies the files of the page that are not TypeScript to the output of the compiler. */
const from = fileURLToPath(new URL('../../src/page/', import.meta.url));
const to = fileURLToPath(new URL('../page/', import.meta.url));
for (const name of readdirSync(from)) if (/\.(html|css)$/.test(name)) copyFileSync(from + name, to + name);
