import { simulator } from '../../support/simulator.js';
import { Api } from '../api.js';
import { atMost, type Case } from '../case.js';
import { median } from '../measure.js';

const ITEMS = 1_000_000;
const PAGES = 15;

/** The simulator must be quick enough never to be what a benchmark measures. */
export const simulatorSpeed: Case = {
  name: 'simulator',
  async run(scope, say) {
    const start = performance.now();
    const running = await simulator(scope, { items: ITEMS });
    const ready = (performance.now() - start) / 1000;
    const api = new Api(running.ready);
    const times: number[] = [];
    for (let n = 0; n <= PAGES; n++) {
      const page = 1 + Math.floor((n * (ITEMS / 2000 - 1)) / PAGES);
      const path = `/rest/v1.0/projects/${running.ready.projects[0]!.id}/documents?view=extended&page=${page}&per_page=2000&sort=updated_at`;
      const began = performance.now();
      const bytes = (await (await api.get(path)).arrayBuffer()).byteLength;
      // The first one signs in and sorts.
      if (n === 0) say(`ready after ${ready.toFixed(1)} s; the first page has ${(bytes / 2 ** 20).toFixed(1)} MiB`);
      else times.push(performance.now() - began);
    }
    return [
      atMost(`${ITEMS} items ready`, 15, 's', ready),
      atMost('an index page of 2,000 rows', 100, 'ms', median(times), `most ${Math.max(...times).toFixed(0)} ms`),
    ];
  },
};
