import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Files, openProject } from '../support/project.js';
import { randomBy } from '../support/random.js';

const TRASH = '.Trash-1000';
const NAMES = ['a.txt', 'b.txt', 'c.txt'];
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

for (const seed of [1, 2, 3])
  t.test(`files go to the trash and back while changes go up, seed ${seed}`, async (t) => {
    const project = await openProject(t, { latency: 5 });
    const files = new Files(project.fileSystem);
    const random = randomBy(seed);
    const below = (n: number): number => Math.floor(random() * n);
    await files.mkdir(TRASH);
    /** Content by path. */
    const wanted = new Map<string, string>();
    const names = (inTrash: boolean): string[] =>
      [...wanted.keys()].filter((path) => path.startsWith(TRASH) === inTrash).sort();
    const told: string[] = [];
    const move = async (from: string, to: string): Promise<void> => {
      const content = wanted.get(from);
      if (content === undefined) return;
      told.push(`${from} → ${to}`);
      await files.rename(from, to);
      wanted.delete(from);
      wanted.set(to, content);
    };
    for (let step = 0; step < 250; step++) {
      const name = NAMES[below(NAMES.length)]!;
      const path = below(3) === 0 ? `${TRASH}/${name}` : name;
      const what = below(10);
      if (what < 3) {
        told.push(`write ${path}`);
        await files.write(path, `step ${step}`);
        wanted.set(path, `step ${step}`);
      } else if (what < 6) await move(name, `${TRASH}/${name}`);
      else if (what < 8) await move(`${TRASH}/${name}`, name);
      else if (what === 8 && wanted.has(path)) {
        told.push(`delete ${path}`);
        await files.unlink(path);
        wanted.delete(path);
      } else {
        told.push('wait');
        await sleep(below(40));
      }
      if (below(40) === 0) {
        told.push('drain');
        await project.drain();
      }
      const listed = (await files.list('')).filter((one) => one !== TRASH && one !== 'Schedules');
      if (listed.join() !== names(false).join()) {
        t.equal(listed.join(), names(false).join(), `step ${step}; before: ${told.slice(-12).join(', ')}`);
        return;
      }
    }
    await project.drain();
    t.strictSame(
      (await files.list(TRASH)).map((name) => `${TRASH}/${name}`),
      names(true),
    );
    for (const [path, content] of wanted) t.equal((await files.read(path)).toString(), content, path);
    const tree = await project.simulator.admin.tree();
    t.strictSame(
      tree
        .filter(({ type }) => type === 'file')
        .map(({ path, sha256 }) => `${path} ${sha256}`)
        .sort(),
      names(false).map((name) => `${name} ${sha256(wanted.get(name)!)}`),
    );
  });
