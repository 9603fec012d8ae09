import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

/** A source file with one thing wrong in it, and the tests that must see that. */
export interface Mutant {
  /** `defect`: something that was wrong once. `guard`: a comparison, a lock or a second look, taken away. */
  readonly kind: 'defect' | 'guard';
  /** Below the package. */
  readonly file: string;
  /** What stands there exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Test files of which each must fail, by an assertion. */
  readonly tests: readonly string[];
  /** One that makes up what it tries, and must find it as well. */
  readonly generator?: string;
  /** What goes wrong with it. */
  readonly why: string;
  /** Why no test can see it. */
  readonly survives?: string;
}

/** The folder of the package, from `dist/test/helpers`. */
export const TOP = resolve(import.meta.dirname, '..', '..', '..');

export const readMutants = (): Mutant[] =>
  JSON.parse(readFileSync(join(TOP, 'test', 'mutants.json'), 'utf8')) as Mutant[];

export const titleOf = ({ file, why }: Mutant): string => `${file}: ${why}`;

/** Why it cannot be put in; undefined: it can. */
export function obstacleOf({ file, find, replace }: Mutant): string | undefined {
  const path = join(TOP, file);
  if (!existsSync(path)) return `there is no ${file}`;
  const times = readFileSync(path, 'utf8').split(find).length - 1;
  if (times !== 1) return `it is there ${times} times: ${JSON.stringify(find)}`;
  return find === replace ? 'it changes nothing' : undefined;
}

/** The source with the mutant in it. @throws where it cannot be put in */
export function mutatedText(mutant: Mutant): string {
  const obstacle = obstacleOf(mutant);
  if (obstacle !== undefined) throw new Error(`${titleOf(mutant)}: ${obstacle}`);
  const { file, find, replace } = mutant;
  return readFileSync(join(TOP, file), 'utf8').split(find).join(replace);
}

function options(): ts.CompilerOptions {
  const path = join(TOP, 'tsconfig.json');
  const { config } = ts.readConfigFile(path, (name) => ts.sys.readFile(name)) as { config: object };
  const { options: found } = ts.parseJsonConfigFileContent(config, ts.sys, TOP);
  const { composite: _, tsBuildInfoFile: __, ...rest } = found;
  return { ...rest, noEmit: true, declaration: false, incremental: false };
}

/** What the compiler makes of it. */
export const transpiled = (mutant: Mutant): string =>
  ts.transpileModule(mutatedText(mutant), {
    compilerOptions: {
      ...options(),
      sourceMap: false,
      // By itself a file does not say which kind of module the package has.
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
    },
    fileName: mutant.file,
  }).outputText;

/**
 * What the compiler says against the mutants that apply, by mutant. All are files of one program, each beside the file
 * that it was made from, so that this takes hardly longer than one; where a copy is not its original (classes with private
 * members are of their own kind), it is looked at again in its place.
 */
export function compilerErrors(mutants: readonly Mutant[]): Map<Mutant, string[]> {
  const settings = options();
  const texts = new Map<string, string>();
  const host = ts.createCompilerHost(settings);
  const { getSourceFile, fileExists } = host;
  const parsed = new Map<string, ts.SourceFile | undefined>();
  host.fileExists = (name) => texts.has(name) || fileExists(name);
  host.getSourceFile = (name, target, ...rest) => {
    const text = texts.get(name);
    if (text !== undefined) return ts.createSourceFile(name, text, target);
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, target, ...rest));
    return parsed.get(name);
  };
  const errorsOf = (program: ts.Program, name: string): string[] => {
    const source = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '),
    );
  };
  const copies = mutants.map((mutant, n) => {
    const original = join(TOP, mutant.file);
    const name = join(dirname(original), `mutant-${n}.ts`);
    texts.set(name, mutatedText(mutant));
    return { mutant, original, name };
  });
  const together = ts.createProgram([...texts.keys()], settings, host);
  let doubtful = copies.filter(({ name }) => errorsOf(together, name).length > 0);
  const found = new Map<Mutant, string[]>();
  while (doubtful.length > 0) {
    const round = new Map(doubtful.map((copy) => [copy.original, copy]));
    texts.clear();
    for (const { mutant, original } of round.values()) texts.set(original, mutatedText(mutant));
    const program = ts.createProgram([...texts.keys()], settings, host);
    for (const { mutant, original } of round.values()) {
      const errors = errorsOf(program, original);
      if (errors.length > 0) found.set(mutant, errors);
    }
    doubtful = doubtful.filter((copy) => round.get(copy.original) !== copy);
  }
  return found;
}
