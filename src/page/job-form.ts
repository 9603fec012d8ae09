import { CallFailed, type Row } from './api.js';
import { type Child, choice, field, h } from './dom.js';
import { FolderPicker } from './folder-picker.js';
import { ScheduleForm } from './schedule-form.js';
import { texts } from './texts.js';

/** The choices for names that the destination does not accept, each as keys of a transfer. */
const NAMES: Readonly<Record<string, Row>> = {
  replace: { segment_transform: true, encode_invalid_characters: false },
  encode: { segment_transform: true, encode_invalid_characters: true },
  flag: { segment_transform: false, encode_invalid_characters: false },
};

const namesOf = ({ segment_transform: replaces, encode_invalid_characters: encodes, destination }: Row): string => {
  // If absent, the default of the service applies: it replaces names, except for a destination in Procore.
  const isOn = replaces ?? destination.connection.platform !== 'procore';
  return encodes ? 'encode' : isOn ? 'replace' : 'flag';
};

/** The form for a new job or an existing one. */
export class JobForm {
  readonly #job: Row | undefined;
  readonly #source: Side;
  readonly #destination: Side;
  readonly #name: HTMLInputElement;
  readonly #category: HTMLInputElement;
  readonly #type: HTMLSelectElement;
  readonly #conflicts: HTMLSelectElement;
  readonly #deletions: HTMLSelectElement;
  readonly #names: HTMLSelectElement;
  readonly #simulation: HTMLSelectElement;
  readonly #schedule: ScheduleForm;

  constructor(connections: readonly Row[], job?: Row) {
    this.#job = job;
    const transfer = job?.transfer;
    this.#source = new Side(texts.source, connections, transfer?.source);
    this.#destination = new Side(texts.destination, connections, transfer?.destination);
    this.#name = h('input', { autocomplete: 'off', required: true, maxlength: 200, value: job?.name ?? '' });
    this.#category = h('input', { autocomplete: 'off', maxlength: 200, value: job?.category?.name ?? '' });
    this.#type = choice(texts.transferTypes, transfer?.transfer_type ?? 'copy');
    this.#conflicts = choice(texts.conflictWords, transfer?.conflict_resolution ?? 'copy');
    this.#deletions = choice(texts.deletionWords, transfer?.delete_propagation ?? 'ignore_source');
    this.#names = choice(texts.nameWords, transfer ? namesOf(transfer) : 'replace');
    this.#simulation = choice(texts.simulationWords, transfer?.simulation_mode ? '1' : '0');
    this.#schedule = new ScheduleForm(job?.schedule);
  }

  get where(): Child[] {
    return [this.#source.element, this.#destination.element];
  }

  get how(): Child[] {
    return [
      field(texts.jobName, this.#name, texts.jobNameHelp),
      field(texts.kind, this.#type),
      field(texts.conflicts, this.#conflicts),
      field(texts.deletions, this.#deletions),
      field(texts.names, this.#names, texts.namesHelp),
      field(texts.simulation, this.#simulation),
      this.#schedule.element,
      field(texts.category, this.#category, texts.categoryHelp),
    ];
  }

  get hasBothSides(): boolean {
    return this.#source.isChosen && this.#destination.isChosen;
  }

  /** The schedule for the request; undefined: manual start only. @throws CallFailed for a missing field */
  get schedule(): Row | undefined {
    return this.#schedule.isManual ? undefined : this.#schedule.value;
  }

  /** The job for the request body. @throws CallFailed for a missing field */
  get body(): Row {
    const name = this.#name.value.trim();
    if (name === '') {
      this.#name.focus();
      throw new CallFailed(0, texts.fillIn(texts.jobName));
    }
    if (!this.hasBothSides) throw new CallFailed(0, texts.chooseConnection);
    const category = this.#category.value.trim();
    const schedule = this.#schedule.value;
    return {
      name,
      kind: 'transfer',
      ...(category === (this.#job?.category?.name ?? '')
        ? {}
        : { category: category === '' ? null : { ...(this.#job ? { id: null } : {}), name: category } }),
      transfer: {
        transfer_type: this.#type.value,
        conflict_resolution: this.#conflicts.value,
        delete_propagation: this.#deletions.value,
        ...NAMES[this.#names.value],
        simulation_mode: this.#simulation.value === '1',
        source: this.#source.value,
        destination: this.#destination.value,
      },
      ...(schedule === undefined ? {} : { schedule }),
    };
  }
}

/** Source or destination of a job. */
class Side {
  readonly element: HTMLElement;
  readonly #connection: HTMLSelectElement;
  readonly #folder: FolderPicker;
  /** The connection as loaded, and as the job names it: a job may refer to a connection by name instead of id. */
  readonly #before: { readonly chosen: string; readonly known: string } | undefined;

  constructor(label: string, connections: readonly Row[], given: Row | undefined) {
    const options: (readonly [string, string])[] = [
      ['', texts.none],
      ...connections.map(({ id, name }) => [id, name] as const),
    ];
    const known = given?.connection.id;
    const chosen = connections.find(({ id, name }) => id === known || name === known)?.id;
    if (chosen !== undefined) this.#before = { chosen, known };
    this.#connection = choice(options, chosen ?? '', () => this.#folder.clear());
    const path = given?.target.path ?? '';
    this.#folder = new FolderPicker(
      `${label}: ${texts.folder}`,
      path === '/' ? '' : path,
      () => this.#connection.value,
    );
    this.element = h(
      'fieldset',
      {},
      h('legend', {}, label),
      field(texts.connection, this.#connection),
      this.#folder.element,
    );
  }

  get isChosen(): boolean {
    return this.#connection.value !== '';
  }

  get value(): Row {
    const chosen = this.#connection.value;
    const id = chosen === this.#before?.chosen ? this.#before.known : chosen;
    return { connection: { id }, target: { path: this.#folder.path || '/' } };
  }
}
