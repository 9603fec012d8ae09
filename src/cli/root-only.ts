import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NATIVE_PACKAGES } from './native-packages.js';

/** What root runs when it runs a program of ours: all of it has to be root's alone. */
export interface RootRuns {
  readonly node: string;
  readonly main: string;
  /** Files, and folders of which nothing may be another's. */
  readonly trees: readonly string[];
  /** What lies above them, and the folders where Node looks for modules on its way up. */
  readonly above: readonly string[];
  /** Those of them that may be open to all like /tmp: what is root's in one of them stays so (sticky bit, inode(7)). */
  readonly open: readonly string[];
}

/** @param node and @param main as they are, without symbolic links */
export function rootRuns(node: string, main: string): RootRuns {
  const bundle = dirname(main);
  const root = dirname(dirname(bundle));
  const trees = [node, bundle, ...[join(root, 'package.json')].filter(existsSync), ...nativePackages(main)];
  const lookups = foldersAbove(main).map((folder) => join(folder, 'node_modules'));
  const above = [...trees, ...lookups.filter(existsSync).map((path) => join(path, 'any'))].flatMap(foldersAbove);
  // Of a package that is missing Node looks further up, where everybody could put one.
  const isWhole = NATIVE_PACKAGES.every((name) => existsSync(join(root, 'node_modules', name, 'package.json')));
  const open = isWhole ? foldersAbove(root) : [];
  return {
    node,
    main,
    trees: [...new Set(trees)],
    above: [...new Set(above)].filter((path) => !open.includes(path)).sort(),
    open: [...new Set(open)].sort(),
  };
}

/** Folders of the packages that the program loads from outside of its bundle, and of what these need. */
export function nativePackages(main: string): string[] {
  const found = new Set<string>();
  const look = (from: string, names: readonly string[]): void => {
    for (const name of names) {
      const folder = foldersAbove(from)
        .map((above) => join(above, 'node_modules', name))
        .find((path) => existsSync(join(path, 'package.json')));
      const real = folder === undefined ? undefined : realpathSync(folder);
      if (real === undefined || found.has(real)) continue;
      found.add(real);
      const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
        readFileSync(join(real, 'package.json'), 'utf8'),
      ) as Record<string, object>;
      look(join(real, 'index.js'), Object.keys({ ...dependencies, ...optionalDependencies }));
    }
  };
  look(main, NATIVE_PACKAGES);
  return [...found].sort();
}

/** Nearest first, up to the root. */
function foldersAbove(path: string): string[] {
  const above = dirname(path);
  return above === path ? [] : [above, ...foldersAbove(above)];
}

/**
 * The shell function `at_fault`: prints the first path that others than root can change, with its owner and mode. A
 * symbolic link is at fault except among commands, which no program loads: paths are resolved when they are written. A
 * `node_modules` of somebody else's in a folder that is open to all is at fault: Node looks into it. It is one text for
 * `install` and for the helper, which checks again each time that root runs it.
 */
export function atFaultFunction({ trees, above, open }: RootRuns): string {
  const others = '\\! -type l \\( \\! -uid 0 -o -perm /022 \\)';
  const told = `-printf '%p (uid %U, mode %m)\\n' -quit`;
  const words = (paths: readonly string[]): string => paths.map(quote).join(' ');
  const modules = open.map((path) => join(path, 'node_modules'));
  const inOpen =
    open.length === 0
      ? []
      : [
          `    find ${words(open)} -maxdepth 0 \\( -type l -o \\! -uid 0 -o -perm /022 \\! -perm -1000 \\) ${told} 2>&1`,
          `    find ${words(modules)} -maxdepth 0 \\( -type l -o ${others} \\) ${told} 2>/dev/null`,
        ];
  return [
    'at_fault() {',
    '  PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    `  {`,
    ...inOpen,
    ...(above.length === 0 ? [] : [`    find ${words(above)} -maxdepth 0 \\( -type l -o ${others} \\) ${told} 2>&1`]),
    `    find ${words(trees)} \\( -type l \\! -path '*/.bin/*' \\! -path '*/node_gyp_bins/*' -o ${others} \\) ${told} 2>&1`,
    `  } | head -n 1 | tr '[:cntrl:]' '?' | sed 's/?$//'`,
    '}',
  ].join('\n');
}

/** The first path of these that others than root can change, as text for people. */
export function atFault(runs: RootRuns): string | undefined {
  const ran = spawnSync('/bin/sh', ['-c', `${atFaultFunction(runs)}\nat_fault`], { encoding: 'utf8' });
  return ran.stdout.trim() || ran.stderr?.trim() || ran.error?.message;
}

export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
