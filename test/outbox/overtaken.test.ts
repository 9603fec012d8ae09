import t from 'tap';
import { Colleague } from '../support/interleave/colleague.js';
import { HeldProject } from '../support/interleave/held-project.js';
import { Witness } from '../support/witness.js';

t.test('a version that a colleague saves between the look and ours is kept beside it', async (t) => {
  const { server, place } = await HeldProject.alone(t);
  const witness = new Witness();
  const colleague = new Colleague(server, witness);
  const drain = () => place.project.scheduler.drain(AbortSignal.timeout(60_000));
  await place.files.mkdir('Plans');
  await place.files.write('Plans/a.txt', 'the first version');
  await drain();
  await place.files.write('Plans/a.txt', 'ours');
  witness.wrote('ours', 'here');
  let acted = 0;
  server.between = (label, phase) => {
    const isPublished = phase === 'request' && /^(POST|PATCH) .*(versions|files\/\d+)$/.test(label);
    if (isPublished && acted++ === 0) colleague.update('Plans/a.txt');
  };
  t.strictSame(await drain(), []);
  t.equal(acted, 1, 'a colleague saved in between');
  const found = [...colleague.tree('Plans')];
  t.equal(found.find(([path]) => path === 'Plans/a.txt')?.[1], 'ours');
  const trees = [new Map(found.filter((one): one is [string, string] => one[1] !== undefined))];
  t.strictSame(witness.judge({ trees }), { lost: [], doubled: [] });
  t.equal(trees[0]!.size, 2, 'and nothing else is there');
});
