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
  'project',
  'jobs',
  'endpoints',
  'vfs',
  'outbox',
  'cache',
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
/** Folders beside the layers: the simulator, which only `cli` knows, and what runs in the browser. */
const BESIDE = ['simulator', 'page'];

const IMPORTED = /(?:from|import|import\()\s*['"](\.[^'"]+)['"]/g;
/** As well what is begun as a thread or a program. */
const REFERRED = /(?:from|import|import\(|new URL\()\s*['"](\.[^'"]+)['"]/g;

/** What a source file imports: static, type-only or dynamic. */
const importsOf = (file: string, pattern = REFERRED): string[] =>
  [...readFileSync(file, 'utf8').matchAll(pattern)].map((match) => match[1]!);

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
  t.strictSame(described, [...LAYERS, ...BESIDE]);
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
  for (const name of readdirSync(src)) t.ok([...LAYERS, ...BESIDE].includes(name), name);
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
      if (from !== to && (from === 'page' || (to === 'page' && !specifier.endsWith('/'))))
        t.fail(`${where}: the page and the program share no code`);
      else if (to === 'page') continue;
      else if (ONLY_BASE.includes(from)) t.equal(to, 'base', `${where}: ${from} may use base alone`);
      else if (to === 'simulator') t.equal(from, 'cli', `${where}: only the command line knows the simulator`);
      else t.ok(LAYERS.indexOf(to) > LAYERS.indexOf(from), where);
    }
  }
  t.ok(seen > 50, 'the test saw imports at all');
});

t.test('no files import each other in a circle', async (t) => {
  const imports = new Map(
    sources(src).map((file) => [
      file,
      importsOf(file, IMPORTED).map((one) => resolve(dirname(file), one).replace(/\.js$/, '.ts')),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, above: readonly string[]): void => {
    const at = above.indexOf(file);
    if (at >= 0) circles.push([...above.slice(at), file].map((one) => relative(src, one)).join(' -> '));
    if (at >= 0 || done.has(file)) return;
    for (const other of imports.get(file) ?? []) visit(other, [...above, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  t.strictSame(circles, []);
});

/** Programs of their own, and the commands, for which a person waits. */
const OWN_PROGRAMS = ['simulator', 'page', 'cli'];
/** Where the parts of a process get the machine's clock. */
const GIVES_CLOCK = ['daemon', 'base/clock.ts'];
/** Where the machine's time is read: the clock itself, and the loop that reads every request of the kernel. */
const TIME_READ: Readonly<Record<string, number>> = { 'src/base/clock.ts': 4, 'src/fuse/kernel/channel.ts': 4 };
/** Where the machine's clock is used whatever clock a test has, how often, and why; never more. */
const OWN_TIME: Readonly<Record<string, number>> = {
  // Compared with times that a disk gave, or in the names that programs give their files.
  'src/endpoints/away.ts': 1,
  'src/endpoints/detached-names.ts': 2,
  'src/endpoints/folder/remove.ts': 1,
  'src/endpoints/folder/write.ts': 2,
  'src/endpoints/remote/parts.ts': 1,
  'src/endpoints/temporary.ts': 2,
  'src/outbox/working/working-file.ts': 1,
  // How long a disk takes, and for how long its folders are kept open.
  'src/cache/files.ts': 2,
  'src/endpoints/folder/root.ts': 2,
  // What the kernel, a program or a browser waits for.
  'src/fuse/kernel/notify.ts': 3,
  'src/fuse/kernel/session.ts': 1,
  'src/fuse/kernel/writing.ts': 1,
  'src/fuse/mountpoint.ts': 2,
  'src/connections/redirect-listener.ts': 1,
  'src/endpoints/rclone/daemon.ts': 2,
  'src/endpoints/smb/session.ts': 1,
  // A thread of its own, which no clock can be given to.
  'src/mirror/database/writer-worker.ts': 1,
};

/** The code of every file of the product, without comments, and how often a pattern is in it. */
function* counted(pattern: RegExp): Generator<readonly [name: string, found: readonly string[]]> {
  for (const file of sources(src)) {
    if (OWN_PROGRAMS.includes(layerOf(file))) continue;
    const code = readFileSync(file, 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
    yield [relative(top, file), [...code.matchAll(pattern)].map(([text]) => text)];
  }
}

t.test('one clock is read, and the network is reached by clients alone', async (t) => {
  const pattern =
    /\bDate\.now\b|\bperformance\.now\b|\bset(?:Timeout|Interval)\(|\bsetTimeout as\b|(?:await|return|=>?) fetch\(/g;
  for (const [name, found] of counted(pattern))
    t.equal(found.length, TIME_READ[name] ?? 0, `${name}: ${found.join(', ')}`);
});

t.test('tests decide what time it is, except where that would be wrong', async (t) => {
  // The default of a clock that can be given is no use of it.
  const pattern = /\bsystemClock\.|(?<!(?:=|\?\?) )\bsystemClock\b(?!.* from )/g;
  for (const [name, found] of counted(pattern))
    if (!GIVES_CLOCK.some((place) => name.startsWith(`src/${place}`)))
      t.equal(found.length, OWN_TIME[name] ?? 0, `${name}: ${found.join(', ')}`);
});

/** A socket whose path would be too long elsewhere, and the two that go with a person's terminal. */
const SYSTEM_TEMPORARY = ['cli/demo/demo.ts', 'project/state-folder.ts', 'simulator/content/spool.ts'];

t.test('nothing with content or secrets lies in the folder for temporary files of the system', async (t) => {
  const found = sources(src).filter((file) => readFileSync(file, 'utf8').includes('tmpdir('));
  t.strictSame(found.map((file) => relative(src, file)).sort(), SYSTEM_TEMPORARY);
});

/** Of the product: the simulator and the page are programs of their own. */
const ELSEWHERE = ['simulator', 'page'];

t.test('an exported name means one thing', async (t) => {
  const found = new Map<string, Set<string>>();
  const pattern = /^export (?:abstract |async )*(?:function\*?|class|const|let|interface|type|enum) (\w+)/gm;
  for (const file of sources(src)) {
    if (ELSEWHERE.includes(layerOf(file))) continue;
    for (const [, name] of readFileSync(file, 'utf8').matchAll(pattern))
      found.set(name!, (found.get(name!) ?? new Set()).add(relative(src, file)));
  }
  const double = [...found].filter(([, files]) => files.size > 1);
  t.strictSame(
    double.map(([name, files]) => `${name}: ${[...files].join(', ')}`),
    [],
  );
});

t.test('source files stay readable', async (t) => {
  for (const file of sources(src)) {
    const lines = readFileSync(file, 'utf8').split('\n').length;
    t.ok(lines <= 600, `${relative(top, file)} has ${lines} lines`);
  }
});

/** What may draw at random: the bench, the soak, and who sets the numbers of pauses by a seed. */
const MAY_DRAW = ['test/bench/', 'test/soak.ts', 'test/support/interleave/outbox-run.ts', 'test/architecture.test.ts'];
const DRAWS = /\bMath\.random\b|\brandom(?:Bytes|Int|UUID)\(/;
/** The one place that gives fast-check its seed. */
const PROPERTIES = 'test/support/properties.ts';

t.test('the suite draws nothing at random', async (t) => {
  const drawing = sources(join(top, 'test')).flatMap((file) => {
    const name = relative(top, file);
    if (MAY_DRAW.some((place) => name.startsWith(place))) return [];
    const pattern = name === PROPERTIES ? DRAWS : new RegExp(`${DRAWS.source}|['"]fast-check['"]`);
    const drawn = pattern.exec(readFileSync(file, 'utf8'))?.[0];
    return drawn === undefined ? [] : [`${name}: ${drawn}`];
  });
  t.strictSame(drawing, []);
});
