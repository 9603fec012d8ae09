import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFailure } from '#src/base/errors.js';
import { ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import { API_KINDS, type ApiKind, HostileApi } from '../support/hostile-api.js';
import { mirrorBench, mirrorLines, serverLines } from '../support/mirror.js';
import { randomBy } from '../support/random.js';
import type { Scenario } from './scenarios.js';

const HOSTILITY = 0.25;
/** Looks after each change. */
const AT_ONCE = 4;

/**
 * A mirror follows a project whose replies are changed on their way: it fails only in ways that are known, each reply
 * that is of no use costs one call, and in the end it has what the server has.
 */
export async function hostileApi(t: Scenario, replies: number, seed: number): Promise<void> {
  const random = randomBy(seed);
  let api: HostileApi | undefined;
  t.teardown(() => api?.stop());
  const bench = await mirrorBench(t, { items: 150, oddNames: 'no', hourly: 1_000_000, spike: 100_000 }, async (url) => {
    api = await HostileApi.start(url, randomBy(seed + 1));
    return api.url;
  });
  const proxy = api!;
  const { admin } = bench.simulator;
  const never = new AbortController().signal;
  setMaxListeners(0, never);
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  const root = mirror.view.item(ROOT_INODE)!;
  let looks = 0;
  const failures = new Map<string, number>();
  const look = async (): Promise<void> => {
    looks++;
    try {
      if (random() < 0.6) await mirror.pollNow(never);
      else await mirror.refresh(root, 'interactive', never);
    } catch (error) {
      const code = isFailure(error) ? error.code : String(error);
      failures.set(code, (failures.get(code) ?? 0) + 1);
      if (!isFailure(error)) t.ok(false, `a look failed: ${code}`);
    }
  };

  let made = 0;
  /** Changes and looks, until so many replies came. @returns calls for each look */
  const round = async (wanted: number): Promise<{ readonly calls: number; readonly looks: number }> => {
    const [firstCall, firstLook] = [proxy.total, looks];
    for (; proxy.total - firstCall < wanted; made++) {
      await admin.change({ op: 'create', path: `made ${made}.txt`, content: String(made) });
      if (made % 3 === 2) await admin.change({ op: 'delete', path: `made ${made - 1}.txt` });
      await Promise.all(Array.from({ length: AT_ONCE }, look));
    }
    return { calls: proxy.total - firstCall, looks: looks - firstLook };
  };

  const honest = await round(Math.ceil(replies / 4));
  proxy.hostility = HOSTILITY;
  const hostile = await round(replies);
  const { lost } = proxy;
  proxy.hostility = 0;
  const difference = async (): Promise<string> => {
    const known = new Set(mirrorLines(mirror));
    const missing = (await serverLines(bench.simulator)).filter((line) => !known.delete(line));
    return [...missing.map((line) => `- ${line}`), ...[...known].map((line) => `+ ${line}`)].slice(0, 5).join('; ');
  };
  for (let tries = 0; tries < 5 && (await difference()) !== ''; tries++) {
    await sleep(1000);
    await mirror.pollNow(never);
    await mirror.refresh(root, 'interactive', never);
  }
  const needed = (honest.calls / honest.looks) * hostile.looks;
  t.comment(
    `${hostile.calls} calls for ${hostile.looks} looks, of honest replies ${Math.round(needed)}; ` +
      `${lost} replies of no use; ${JSON.stringify([...failures])}`,
  );
  t.equal(await difference(), '', 'what the mirror has, and the server');
  if (replies >= 1000) {
    const unplayed = (Object.keys(API_KINDS) as ApiKind[]).filter((kind) => !proxy.replies.has(kind));
    t.equal(unplayed.join(), '', 'kinds of replies that did not come');
  }
  t.ok(hostile.calls <= 1.2 * needed + lost, `${hostile.calls} calls, ${Math.round(needed)} of honest replies`);
}
