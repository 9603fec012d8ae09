import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const top = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const src = join(top, 'src');

/** The folders of `src`, highest first: a file imports only from its own folder and from those below it. */
const LAYERS = [
  'cli',
  'daemon',
  'server',
  'jobs',
  'targets',
  'vfs',
  'outbox',
  'content',
  'mirror',
  'procore',
  'connections',
  'budget',
  'names',
  'fuse',
  'database',
  'base',
];
/** Folders that import from `base` alone, whatever stands between. */
const ONLY_BASE = ['names', 'fuse', 'database', 'simulator'];

/** Every import of a source file: static, type-only, dynamic, and workers' URLs. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const pattern = /(?:from|import|import\(|new URL\()\s*['"](\.[^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sources(path) : name.endsWith('.ts') ? [path] : [];
  });
}

const layerOf = (path: string): string => relative(src, path).split('/')[0]!;

t.test('who works on it finds every folder described', async (t) => {
  const page = readFileSync(join(top, 'native-notes', 'contributing.md'), 'utf8');
  const described = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
  t.strictSame(described, [...LAYERS, 'simulator']);
});

t.test('the top level holds what a newcomer expects, and nothing else', async (t) => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: top, encoding: 'utf8' }).split('\n');
  const names = [...new Set(tracked.map((path) => path.split('/')[0]!).filter((name) => name !== ''))];
  t.strictSame(names.filter((name) => !name.startsWith('.')).sort(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'native-notes',
    'package-lock.json',
    'package.json',
    'src',
    'test',
    'tsconfig.json',
  ]);
  t.strictSame(names.filter((name) => name.startsWith('.')).sort(), ['.biome.json', '.ci', '.gitignore', '.taprc']);
});

t.test('every folder of src has its place among the layers', async (t) => {
  for (const name of readdirSync(src)) t.ok([...LAYERS, 'simulator'].includes(name), name);
});

t.test('imports go one way, downwards', async (t) => {
  let seen = 0;
  for (const file of sources(src)) {
    const from = layerOf(file);
    for (const specifier of importsOf(file)) {
      const to = layerOf(resolve(dirname(file), specifier));
      if (to === from) continue;
      seen++;
      const where = `${relative(top, file)} imports ${specifier}`;
      if (ONLY_BASE.includes(from)) t.equal(to, 'base', `${where}: ${from} may use base alone`);
      else if (to === 'simulator') t.equal(from, 'cli', `${where}: only the command line knows the simulator`);
      else t.ok(LAYERS.indexOf(to) > LAYERS.indexOf(from), where);
    }
  }
  t.ok(seen > 50, 'the test saw imports at all');
});

t.test('source files stay readable', async (t) => {
  for (const file of sources(src)) {
    const lines = readFileSync(file, 'utf8').split('\n').length;
    t.ok(lines <= 420, `${relative(top, file)} has ${lines} lines`);
  }
});
