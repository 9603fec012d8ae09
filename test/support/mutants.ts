import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

/** A change of a source file. */
export interface Edit {
  /** Below the package. */
  readonly file: string;
  /** What stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A source file with one thing wrong in it, and the tests that must see that. */
export interface Mutant extends Edit {
  /** `defect`: something that was wrong once. `guard`: a comparison, a lock or a second look, taken away. */
  readonly kind: 'defect' | 'guard';
  /** What came later and makes good for it, taken away as well. */
  readonly also?: readonly Edit[];
  /** Test files of which each must fail, by an assertion. */
  readonly tests: readonly string[];
  /** One that makes up what it tries, and must find it as well. */
  readonly generator?: string;
  /** What goes wrong with it. */
  readonly why: string;
  /** Why no test can see it. */
  readonly survives?: string;
}

/** The folder of the package, from `dist/test/support`. */
export const TOP = resolve(import.meta.dirname, '..', '..', '..');

export const readMutants = (): Mutant[] =>
  JSON.parse(readFileSync(join(TOP, 'test', 'mutants.json'), 'utf8')) as Mutant[];

export const titleOf = ({ file, why }: Mutant): string => `${file}: ${why}`;

export const editsOf = ({ file, find, replace, also = [] }: Mutant): readonly Edit[] => [
  { file, find, replace },
  ...also,
];

/** Why it cannot be put in; undefined: it can. */
export function obstacleOf(mutant: Mutant): string | undefined {
  for (const { file, find, replace } of editsOf(mutant)) {
    const path = join(TOP, file);
    if (!existsSync(path)) return `there is no ${file}`;
    const times = readFileSync(path, 'utf8').split(find).length - 1;
    if (times !== 1) return `it is there ${times} times: ${JSON.stringify(find)}`;
    if (find === replace) return 'it changes nothing';
  }
  return undefined;
}

/** The sources with the mutant in them, by file. @throws where it cannot be put in */
function mutatedTexts(mutant: Mutant): Map<string, string> {
  const obstacle = obstacleOf(mutant);
  if (obstacle !== undefined) throw new Error(`${titleOf(mutant)}: ${obstacle}`);
  const texts = new Map<string, string>();
  for (const { file, find, replace } of editsOf(mutant))
    texts.set(file, (texts.get(file) ?? readFileSync(join(TOP, file), 'utf8')).split(find).join(replace));
  return texts;
}

function options(): ts.CompilerOptions {
  const path = join(TOP, 'tsconfig.json');
  const { config } = ts.readConfigFile(path, (name) => ts.sys.readFile(name)) as { config: object };
  const { options: found } = ts.parseJsonConfigFileContent(config, ts.sys, TOP);
  const { composite: _, tsBuildInfoFile: __, ...rest } = found;
  return { ...rest, noEmit: true, declaration: false, incremental: false };
}

/** What the compiler makes of it, by source file. */
export function transpiled(mutant: Mutant): Map<string, string> {
  const compilerOptions = {
    ...options(),
    sourceMap: false,
    // By itself a file does not say which kind of module the package has.
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  return new Map(
    [...mutatedTexts(mutant)].map(([file, text]) => [
      file,
      ts.transpileModule(text, { compilerOptions, fileName: file }).outputText,
    ]),
  );
}

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
  const copies = mutants.flatMap((mutant, n) =>
    [...mutatedTexts(mutant)].map(([file, text]) => {
      const original = join(TOP, file);
      const name = join(dirname(original), `mutant-${n}.ts`);
      texts.set(name, text);
      return { mutant, original, name, text };
    }),
  );
  const together = ts.createProgram([...texts.keys()], settings, host);
  let doubtful = copies.filter(({ name }) => errorsOf(together, name).length > 0);
  const found = new Map<Mutant, string[]>();
  while (doubtful.length > 0) {
    const round = new Map(doubtful.map((copy) => [copy.original, copy]));
    texts.clear();
    for (const { text, original } of round.values()) texts.set(original, text);
    const program = ts.createProgram([...texts.keys()], settings, host);
    for (const { mutant, original } of round.values()) {
      const errors = errorsOf(program, original);
      if (errors.length > 0) found.set(mutant, [...(found.get(mutant) ?? []), ...errors]);
    }
    doubtful = doubtful.filter((copy) => round.get(copy.original) !== copy);
  }
  return found;
}
