import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '#src/base/secret.js';
import type { TargetDefinition } from '#src/endpoints/definition.js';
import { openTarget } from '#src/endpoints/open.js';
import { type Endpoint, TargetEndpoint } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import { contentOf, type Files, Folders, put } from '../support/jobs.js';
import { randomBy } from '../support/random.js';
import { ServerFolder, serveS3, serveSmb } from '../support/target-servers.js';
import type { Scenario } from './scenarios.js';

/** Of names that some platform does not take as they are, or takes for another one. */
const PIECES = [
  ...':*?"<>|\\%~#&\'`$;^!',
  ...['\t', '\n', '\r', '\u0001', '\u007f', ' ', '  ', '.', '..', '\u00a0', '\u200b', '\ufeff', '\u202e'],
  ...['：', '＊', '？', '．', '␠', '‛', '／', '＼', '_', '%3A', '%2F', '&amp;'],
  ...['e\u0301', '\u00e9', 'ß', 'ẞ', 'İ', 'ı', 'ſ', 'K', 'Ω', '👩‍👩‍👧', '🏗️', '漢字'],
  ...['CON', 'nul', 'com1', 'LPT9', 'aux', 'desktop.ini', 'Thumbs.db', '.lock', '~$', '.tmp', '.git', '_vti_'],
  ...['a', 'A', 'b', 'B', '1', ' (1)', ' (2)', '.pdf', '.PDF', '.txt', '-', 'Plan'],
];
/** Names that have been trouble to somebody. */
const FIXED = [
  ...['CON', 'con.txt', 'NUL', 'aux.pdf', 'COM¹', 'trailing.', 'trailing ', ' leading', '...', '. .', '~', '-rf', '--'],
  ...[
    'same.txt',
    'Same.txt',
    'SAME.TXT',
    'same (1).txt',
    'caf\u00e9',
    'cafe\u0301',
    'a:b',
    'a_b',
    'a：b',
    'a‛：b',
    'a%3Ab',
  ],
  ...[
    'new\nline',
    'tab\there',
    'back\\slash',
    'C:\\autoexec.bat',
    '"quoted"',
    'what?*',
    '<tag>',
    'pipe|',
    '🏗️ Bau',
    '\u202egpj.exe',
  ],
  ...[
    '.hidden',
    'NT_STATUS_ACCESS_DENIED.txt',
    '.procorefs-trash-not',
    '.Procorefs-Trash',
    '%2e%2e%2f',
    '&lt;',
    '$(touch x)',
    '`x`',
    "it's",
    'a;b',
  ],
];

const abilities = { title: 'a store', keepsVersions: false, setsTimes: true, emptyFolders: true };

export type Store = 'smb' | 's3';

/** Bytes of a name: s3rver keeps keys as files, with an ending. */
const LONGEST: Readonly<Record<Store, number>> = { smb: 255, s3: 120 };

/** A tree of hostile names. */
export function hostileTree(files: number, seed: number, longest: number): Files {
  const random = randomBy(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const isName = (name: string): boolean =>
    name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= longest && !/\p{Cs}/u.test(name);
  const taken = new Map<string, Set<string>>([['', new Set()]]);
  const folders = [''];
  const invent = (known: readonly string[]): string => {
    const roll = random();
    if (roll < 0.2) return FIXED[below(FIXED.length)]!;
    if (roll < 0.35 && known.length > 0) {
      const name = known[below(known.length)]!;
      const twins = [name.toUpperCase(), name.toLowerCase(), name.normalize('NFD'), name.normalize('NFC')];
      return [...twins, `${name} `, `${name}.`, name.replace(/[^\w.]/g, '_')][below(7)]!;
    }
    const length = roll < 0.4 ? 100 : 1 + below(6);
    let name = '';
    while (name.length < length) name += PIECES[below(PIECES.length)]!;
    return name.length > 50 ? Array.from(name).slice(0, 80).join('') : name;
  };
  const tree: Record<string, string> = {};
  for (let n = 0; n < files; ) {
    const folder = folders[below(folders.length)]!;
    const names = taken.get(folder)!;
    const name = invent([...names]);
    if (!isName(name) || names.has(name) || (folder === '' && name === '.procorefs-trash')) continue;
    names.add(name);
    const path = folder === '' ? name : `${folder}/${name}`;
    if (random() < 0.15 && path.split('/').length < 4) {
      folders.push(path);
      taken.set(path, new Set());
      tree[`${path}/`] = '';
    } else {
      tree[path] = `content ${n++} of ${JSON.stringify(name)}`;
    }
  }
  return tree;
}

async function served(t: Scenario, store: Store): Promise<{ definition: TargetDefinition; password: string }> {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const server = await (store === 'smb' ? serveSmb(folder) : serveS3(folder));
  t.teardown(() => server.kill());
  if (store === 'smb') {
    const uri = `//127.0.0.1:${server.port}/files`;
    return { definition: { platform: 'smb', uri, username: 'root' }, password: 'secret word' };
  }
  const options = { endpoint: `http://127.0.0.1:${server.port}`, force_path_style: 'true' };
  return { definition: { platform: 's3', uri: 'bucket/folder', username: 'S3RVER', options }, password: 'S3RVER' };
}

/** A tree of hostile names goes to a store, and comes back by the names that the first job noted: it is the same. */
export async function hostileNames(
  t: Scenario,
  store: Store,
  files: number,
  seed: number,
  seen: (side: Endpoint) => Endpoint = (side) => side,
): Promise<void> {
  const { definition, password } = await served(t, store);
  const opener: Opener = {
    async open({ connection: { id }, target: { path } }, { create, mayWrite, signal }) {
      const options = {
        path: path.replace(/^\//, ''),
        create,
        mayWrite,
        state: folders.top,
        signal,
        ...(id === store ? { password: new Secret(password) } : {}),
      };
      if (id !== store) return new TargetEndpoint(await openTarget({ platform: 'fs', uri: id }, options));
      return seen(new TargetEndpoint(await openTarget(definition, options)));
    },
    place: ({ connection: { id }, target: { path } }) => Promise.resolve({ tree: id, path, abilities }),
  };
  const folders = new Folders(t, opener);
  const tree = hostileTree(files, seed, LONGEST[store]);
  put(folders.a, tree);
  for (const encode of [false, true]) {
    const words = { encode_invalid_characters: encode, segment_truncate: true };
    const out = folders.add({
      ...words,
      transfer_type: 'publish',
      delete_guard: false,
      destination: { connection: { id: store }, target: { path: String(encode) } },
    });
    const there = await folders.run(out.id);
    const flagged = [...folders.store.items(there.id).rows(['remediation', 'retry'])];
    const what = `${store}, ${encode ? 'encoded' : 'replaced'}, seed ${seed}`;
    t.equal(flagged.map(({ name, reason }) => `${name}: ${reason}`).join('; '), '', `${what}: flagged`);
    const back = join(folders.top, `back ${encode}`);
    mkdirSync(back);
    const home = folders.add({
      names_from: out.id,
      source: { connection: { id: store }, target: { path: String(encode) } },
      destination: { connection: { id: back } },
    });
    const returned = await folders.run(home.id);
    const lost = [...folders.store.items(returned.id).rows(['remediation', 'retry'])];
    t.equal(lost.map(({ name, reason }) => `${name}: ${reason}`).join('; '), '', `${what}: flagged on the way back`);
    const [wanted, found] = [contentOf(folders.a), contentOf(back)];
    // A store of keys has no empty folders.
    if (store === 's3') for (const path of Object.keys(wanted)) if (path.endsWith('/')) delete wanted[path];
    const wrong = [...new Set([...Object.keys(wanted), ...Object.keys(found)])].filter(
      (path) => wanted[path] !== found[path],
    );
    t.equal(wrong.map((path) => JSON.stringify(path)).join(' '), '', `${what}: every name is back`);
    const again = await folders.run(home.id);
    t.equal(again.status, 'no_changes', `${what}: ${again.reason ?? 'a second run finds nothing to do'}`);
    const renamed = [...folders.store.records(out.id).renamed()].length;
    t.ok(renamed > 0, `${what}: names were changed`);
    t.comment(`${what}: ${there.stats.copied} files, ${renamed} names changed, ${Object.keys(wanted).length} back`);
  }
}
