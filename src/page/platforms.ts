import { address, list, type Row, read } from './api.js';
import { choice, field, grid, h, put, say } from './dom.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { texts } from './texts.js';

const CLASSES: Readonly<Record<string, string>> = { compatible: 'good', 'not compatible': 'bad' };
const SIGNS: Readonly<Record<string, string>> = { compatible: '✓', 'not compatible': '✗', 'not applicable': '–' };

/** Compares two platforms side by side. */
export async function platformsScreen({ main, query, signal }: Screen): Promise<void> {
  const { rows } = await list('/v1/connections/platforms', { limit: 200 }, signal);
  const options = rows.map(({ id, name }) => [id, name] as const);
  const source = choice(options, query.get('source') ?? 'procore', () => void compare());
  const destination = choice(options, query.get('destination') ?? 'fs', () => void compare());
  const told = h('div', {});
  const table = h('div', {});
  const compare = (): Promise<void> =>
    attempt(told, async () => {
      const words = { source: source.value, destination: destination.value };
      const found = await read(address('/v1/connections/platforms/compare', words), signal);
      put(
        table,
        grid(
          texts.platforms,
          [texts.feature, texts.verdict, found.source.name, found.destination.name],
          found.rows.map((row: Row) => [
            row.feature,
            h('span', { class: CLASSES[row.verdict] }, `${SIGNS[row.verdict]} ${row.verdict}`),
            row.source,
            row.destination,
          ]),
        ),
      );
      say(texts.found(found.rows.length));
    });
  put(
    main,
    titleOf(texts.platforms),
    h('p', { class: 'help' }, texts.compareHelp),
    h('div', { class: 'bar' }, field(texts.source, source), field(texts.destination, destination)),
    told,
    table,
  );
  await compare();
}
