import t from 'tap';
import { simulator } from '../support/simulator.js';
import { SimulatorClient } from '../support/simulator-client.js';
import { millionItems } from './million.js';

// The whole million is part of the soak run.
t.test('60,000 items are listed whole, once each, while the project changes', (t) => millionItems(t, 60_000));

t.test('wide folders', async (t) => {
  const server = await simulator(t, { items: 20_000, shape: 'wide', spike: 1000, oddNames: 'no' });
  const tree = await server.admin.tree({ hash: false });
  const folders = tree.filter(({ type }) => type === 'folder').length - 1;
  t.equal(tree.length - 1, 20_000);
  t.equal(folders, 20);
  const client = await SimulatorClient.signedIn(server);
  const drawings = (await client.folders()).body.folders.find((f: { name: string }) => f.name === '01 Drawings');
  const listing = (await client.folders(drawings.id)).body;
  t.equal(
    listing.files.length,
    tree.filter(({ path, type }) => type === 'file' && /^01 Drawings\/[^/]+$/.test(path)).length,
  );
});

t.test('a file of many gibibytes takes no room', async (t) => {
  const server = await simulator(t, { items: 10, spike: 1000 });
  const client = await SimulatorClient.signedIn(server);
  const size = 5 * 2 ** 30;
  const { id } = await server.admin.change({ op: 'create', path: 'large.bin', size });
  const { url } = (await client.file(id)).body.file_versions[0];
  const read = async (range: string) => {
    const response = await fetch(url, { headers: { range } });
    t.equal(response.status, 206);
    return Buffer.from(await response.arrayBuffer());
  };
  const across = await read(`bytes=${3 * 2 ** 30 - 100}-${3 * 2 ** 30 + 99}`);
  t.equal(across.length, 200);
  t.strictSame(across.subarray(100), await read(`bytes=${3 * 2 ** 30}-${3 * 2 ** 30 + 99}`));
  t.notSame(await read('bytes=0-99'), await read(`bytes=${2 ** 30}-${2 ** 30 + 99}`));
  await server.admin.change({ op: 'update', path: 'large.bin', size });
  const newer = (await client.file(id)).body.file_versions[1].url;
  const other = await fetch(newer, { headers: { range: `bytes=${2 ** 30}-${2 ** 30 + 99}` } });
  t.notSame(Buffer.from(await other.arrayBuffer()), await read(`bytes=${2 ** 30}-${2 ** 30 + 99}`), 'another version');
});

t.test('the same seed gives the same project', async (t) => {
  const trees: string[] = [];
  for (const seed of ['a', 'a', 'b']) {
    const server = await simulator(t, { items: 150, seed });
    trees.push(JSON.stringify(await server.admin.tree()));
  }
  t.equal(trees[0], trees[1]);
  t.not(trees[0], trees[2]);
});
