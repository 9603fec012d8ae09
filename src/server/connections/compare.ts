import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import { comparePlatforms } from '../../names/compare.js';
import { platformNamed, platforms } from '../../names/platforms.js';
import { one, type Route } from '../http/route.js';
import { word } from '../http/wire.js';

const row = z.object({
  feature: z.string(),
  source: z.string(),
  destination: z.string(),
  verdict: z.enum(['compatible', 'not compatible', 'not applicable']),
});

const side = z.object({ id: z.string(), name: z.string() });

/** Compares platforms, as the command `compare` does. */
export const compareRoute: Route = one({
  path: '/v1/connections/platforms/compare',
  summary: 'how two platforms go together when files are copied from one to the other, row by row',
  tag: 'connections',
  causes: [],
  type: 'comparison',
  query: { source: word, destination: word },
  reply: z.object({ source: side, destination: side, rows: z.array(row) }),
  run: ({ query: { source, destination } }) => {
    const [from, to] = [named(source), named(destination)];
    return {
      source: { id: from, name: platforms[from].title },
      destination: { id: to, name: platforms[to].title },
      rows: comparePlatforms(platforms[from], platforms[to]),
    };
  },
});

function named(given: string) {
  const name = platformNamed(given);
  if (!name) throw new Failure('no-such-address', { path: `platform ${given}` });
  return name;
}
