import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NATIVE_PACKAGES } from './native-packages.js';

/** The files and folders that root loads when it runs this program; only root may be able to change them. */
export interface RootRuns {
  readonly node: string;
  readonly main: string;
  /** Files, and folders with all their content, that only root may be able to change. */
  readonly trees: readonly string[];
  /** The folders above them, and the `node_modules` folders that Node searches on its way up. */
  readonly above: readonly string[];
  /** Those of `above` that may be world-writable like /tmp: the sticky bit protects root's entries (inode(7)). */
  readonly open: readonly string[];
}

/** @param node and @param main as resolved paths, without symbolic links */
export function rootRuns(node: string, main: string): RootRuns {
  const bundle = dirname(main);
  const root = dirname(dirname(bundle));
  const trees = [node, bundle, ...[join(root, 'package.json')].filter(existsSync), ...nativePackages(main)];
  const lookups = foldersAbove(main).map((folder) => join(folder, 'node_modules'));
  const above = [...trees, ...lookups.filter(existsSync).map((path) => join(path, 'any'))].flatMap(foldersAbove);
  // Node searches the parent folders for a missing package, where other users could place one.
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

/** Folders of the packages that the program loads from outside its bundle, and of their dependencies. */
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

/** The folders above the path, nearest first, up to the root. */
function foldersAbove(path: string): string[] {
  const above = dirname(path);
  return above === path ? [] : [above, ...foldersAbove(above)];
}

/**
 * The shell function `at_fault`: prints the first path that users other than root can change, with its owner and mode.
 * A symbolic link is at fault, since paths are resolved when they are written, except among commands, which no program
 * loads. A `node_modules` of another user in a world-writable folder is at fault, since Node searches it. `install` and
 * the helper use the same text; the helper repeats the check each time that root runs it.
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

/** The first path that users other than root can change, as readable text; undefined if there is none. */
export function atFault(runs: RootRuns): string | undefined {
  const ran = spawnSync('/bin/sh', ['-c', `${atFaultFunction(runs)}\nat_fault`], { encoding: 'utf8' });
  return ran.stdout.trim() || ran.stderr?.trim() || ran.error?.message;
}

export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
