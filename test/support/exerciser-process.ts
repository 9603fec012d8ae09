import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Exerciser } from './exerciser.js';

/** Works on the files of a folder; the shadow copies lie in another one, before and after. Prints sha256 by name. */
const [folder = '', shadows = '', seed, operations, most, complete] = process.argv.slice(2);
const names = readdirSync(shadows);
const exerciser = new Exerciser({
  folder,
  seed: Number(seed),
  files: new Map(names.map((name) => [name, readFileSync(join(shadows, name))])),
  most: Number(most),
  complete: complete === 'yes',
});
exerciser.run(Number(operations));
const sums: Record<string, string> = {};
for (const name of names) rmSync(join(shadows, name));
for (const [name, content] of exerciser.finish()) {
  writeFileSync(join(shadows, name), content);
  sums[name] = createHash('sha256').update(content).digest('hex');
}
console.log(JSON.stringify(sums));
