import { parseArgs } from 'node:util';
import { Failure } from '../base/errors.js';

export interface SimulatorOptions {
  readonly port: number;
  readonly items: number;
  readonly shape: 'normal' | 'wide';
  readonly seed: string;
  readonly from?: string;
  readonly projects: number;
  /** Added latency of each API and storage reply in milliseconds. */
  readonly latency: number;
  /** Calls per hourly window. */
  readonly hourly: number;
  readonly spike: number;
  /** Length of the hourly window in seconds. */
  readonly hour: number;
  readonly spikeSeconds: number;
  readonly urlTtl: number;
  readonly tokenTtl: number;
  readonly uploadTtl: number;
  /** Size of every generated file in bytes; 0: log-normal sizes. */
  readonly fileSize: number;
  readonly oddNames: 'yes' | 'no';
  /** NAME or NAME=PROBABILITY. */
  readonly fault: readonly string[];
  /** NAME=VALUE. */
  readonly switch: readonly string[];
}

export interface SimulatorOption {
  readonly key: keyof SimulatorOptions;
  readonly flag: string;
  /** Name of the value in the help text. */
  readonly value: string;
  readonly kind: 'integer' | 'number' | 'text' | 'choice';
  readonly choices?: readonly string[];
  readonly least?: number;
  readonly most?: number;
  readonly repeatable?: true;
  /** Absent: no default. */
  readonly default?: string | number;
  readonly help: string;
}

/** Help, documentation and parsing come from these rows. */
export const optionTable: readonly SimulatorOption[] = [
  row('port', 'N', 'integer', 0, 'port of the API; sign-in, storage and admin take the next three (0: any)', 0, 65532),
  row('items', 'N', 'integer', 200, 'files and folders to generate in each project', 0, 20_000_000),
  {
    ...row('shape', 'SHAPE', 'choice', 'normal', 'normal: about 10 items a folder; wide: about 1,000'),
    choices: ['normal', 'wide'],
  },
  row('seed', 'S', 'text', '1', 'the same seed gives the same projects'),
  row('from', 'DIR', 'text', undefined, "serve this folder's files as the first project, without copying them"),
  row('projects', 'N', 'integer', 1, 'how many projects', 1, 1000),
  row('latency', 'MS', 'integer', 0, 'milliseconds that each reply of the API and the storage takes longer', 0),
  row('hourly', 'N', 'integer', 3600, 'API calls allowed in an hour', 1),
  row('spike', 'N', 'integer', 25, 'API calls allowed in 10 seconds', 1),
  row('hour', 'SECONDS', 'number', 3600, 'how long an hour is', 0.1),
  row('spike-seconds', 'SECONDS', 'number', 10, 'how long the 10 seconds of the spike window are', 0.1),
  row('url-ttl', 'SECONDS', 'number', 3600, 'how long a download URL is good for', 0.1),
  row('token-ttl', 'SECONDS', 'number', 5400, 'how long an access token is good for', 0.1),
  row('upload-ttl', 'SECONDS', 'number', 3600, 'how long an upload address takes bytes', 0.1),
  row('file-size', 'BYTES', 'integer', 0, 'size of every generated file (0: as in real projects)', 0),
  {
    ...row('odd-names', 'YES', 'choice', 'yes', 'whether some generated names hold every awkward character'),
    choices: ['yes', 'no'],
  },
  { ...row('fault', 'NAME[=P]', 'text', undefined, 'a fault, with its probability (1)'), repeatable: true },
  { ...row('switch', 'NAME=VALUE', 'text', undefined, 'an unknown of the API, answered'), repeatable: true },
];

function row(
  flag: string,
  value: string,
  kind: SimulatorOption['kind'],
  fallback: string | number | undefined,
  help: string,
  least?: number,
  most?: number,
): SimulatorOption {
  return {
    key: flag.replace(/-(\w)/g, (_, c: string) => c.toUpperCase()) as SimulatorOption['key'],
    flag: `--${flag}`,
    value,
    kind,
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(least === undefined ? {} : { least }),
    ...(most === undefined ? {} : { most }),
    help,
  };
}

/** Completes and checks raw values by key; throws the failure `usage`. */
export function simulatorOptions(raw: Readonly<Record<string, unknown>> = {}): SimulatorOptions {
  const options: Record<string, unknown> = {};
  for (const row of optionTable) {
    const given = raw[row.key] ?? row.default;
    if (row.repeatable) options[row.key] = given === undefined ? [] : [given].flat().map(String);
    else if (given !== undefined) options[row.key] = checked(row, given);
  }
  return options as unknown as SimulatorOptions;
}

/** Parses a command line without the command's name; throws the failure `usage`. */
export function parseSimulatorOptions(args: readonly string[]): SimulatorOptions {
  const flags = Object.fromEntries(
    optionTable.map((row) => [row.flag.slice(2), { type: 'string' as const, multiple: row.repeatable ?? false }]),
  );
  try {
    const { values } = parseArgs({ args: [...args], options: flags, allowPositionals: false });
    return simulatorOptions(Object.fromEntries(optionTable.map((row) => [row.key, values[row.flag.slice(2)]])));
  } catch (error) {
    throw error instanceof Failure ? error : new Failure('usage', { what: (error as Error).message });
  }
}

function checked(row: SimulatorOption, given: unknown): string | number {
  if (row.kind === 'text') return String(given);
  if (row.kind === 'choice') {
    if (row.choices?.includes(String(given))) return String(given);
    throw new Failure('usage', { what: `${row.flag} is one of ${row.choices?.join(', ')}, not "${given}"` });
  }
  const number = typeof given === 'string' && given.trim() === '' ? Number.NaN : Number(given);
  const whole = row.kind === 'number' || Number.isSafeInteger(number);
  if (Number.isFinite(number) && whole && number >= (row.least ?? 0) && number <= (row.most ?? Number.MAX_VALUE)) {
    return number;
  }
  const range = `${row.least ?? 0}${row.most === undefined ? ' or more' : ` to ${row.most}`}`;
  throw new Failure('usage', { what: `${row.flag} is a ${row.kind}, ${range}, not "${given}"` });
}
