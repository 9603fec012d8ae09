import { DocumentIndex } from './api/document-index.js';
import type { ServerClock } from './clock.js';
import type { Contents } from './content/contents.js';
import { Documents } from './documents.js';
import { addFolder } from './generate/from-folder.js';
import { Generator } from './generate/generator.js';
import type { SimulatorOptions } from './options.js';
import { mix } from './random.js';
import { Ids } from './store/ids.js';
import type { ItemStore } from './store/items.js';
import type { Switches } from './switches.js';

/** The Documents tool of a project, or of a company. */
export interface SimulatedProject {
  readonly id: number;
  name: string;
  /** Whether the account may see it. */
  permitted: boolean;
  readonly company: number;
  /** Index among all projects; part of the ids and of the generated content of its items. */
  readonly index: number;
  readonly store: ItemStore;
  readonly ids: Ids;
  readonly documents: Documents;
  readonly documentIndex: DocumentIndex;
}

interface Parts {
  readonly options: SimulatorOptions;
  readonly seed: number;
  readonly clock: ServerClock;
  readonly switches: Switches;
  readonly contents: Contents;
}

interface Description {
  readonly id: number;
  readonly name: string;
  readonly company: number;
  readonly index: number;
  readonly items: number;
  readonly from?: string;
}

/** Generates a project, or reads it from a folder. Throws the file system's error. */
export function makeProject(parts: Parts, description: Description): SimulatedProject {
  const { options, switches, clock, contents } = parts;
  const { index, name, from } = description;
  const generator = new Generator({
    items: from === undefined ? description.items : 0,
    perFolder: options.shape === 'wide' ? 1000 : 10,
    seed: mix(parts.seed, index),
    fileSize: options.fileSize,
    oddNames: options.oddNames === 'yes',
    allows: (need) =>
      need === 'clash'
        ? switches.is('file-folder-clash', 'allowed')
        : need === 'case'
          ? switches.is('name-case', 'sensitive')
          : switches.is('name-twins', 'distinct') && switches.is('name-unicode', 'kept'),
  });
  generator.begin(name);
  if (from === undefined) generator.fill();
  else addFolder(generator.store, contents, from);
  const { store } = generator;
  const documents = new Documents(store, generator.bin, clock, switches);
  for (const file of generator.checkedOut) documents.checkOut(file, { by: 2, until: clock.seconds() + 86_400 });
  store.order('updated_at');
  store.order('created_at');
  store.history.begin();
  const ids = new Ids(index, store, switches);
  const documentIndex = new DocumentIndex(store, documents, ids, switches);
  return {
    id: description.id,
    name,
    permitted: true,
    company: description.company,
    index,
    store,
    ids,
    documents,
    documentIndex,
  };
}
