import { copyFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A part of the build: what of the page is no TypeScript stands beside what the compiler made of the rest. */
const from = fileURLToPath(new URL('../../src/page/', import.meta.url));
const to = fileURLToPath(new URL('../page/', import.meta.url));
for (const name of readdirSync(from)) if (/\.(html|css)$/.test(name)) copyFileSync(from + name, to + name);
