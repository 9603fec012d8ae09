import { CallFailed, type Row } from './api.js';
import { choice, field, h } from './dom.js';
import { captionOf } from './format.js';
import { texts } from './texts.js';

/** The schedule choices of the page; `own`: a schedule that these choices cannot express, kept unchanged. */
type Way = 'manual' | 'auto' | 'every' | 'daily' | 'ad-hoc' | 'own';

const MINUTES: Readonly<Record<string, number>> = { s: 1 / 60, m: 1, h: 60, d: 1440 };
/** Keys that are removed when another choice is selected. */
const OF_WAYS = ['run_at', 'days', 'repeat_interval', 'start_date', 'end_date', 'repeat_count'];

function wayOf({ mode, run_at: at, days, repeat_interval: every, ...more }: Row): Way {
  const isSimple = Object.values(more).every((value) => value === undefined);
  if (!isSimple || Array.isArray(at) || (days && (days.length > 1 || !at)) || (at && every)) return 'own';
  if (at) return mode === 'auto' ? 'daily' : 'own';
  if (every) return every.unit in MINUTES ? 'every' : 'own';
  return mode;
}

const clock = ({ hr, min = 0 }: Row): string => `${String(hr).padStart(2, '0')}:${String(min).padStart(2, '0')}`;
const minutesOf = ({ value, unit }: Row): number => Math.max(1, Math.round(value * MINUTES[unit]!));

/** A schedule as readable text. */
export function scheduleText(schedule: Row): string {
  switch (wayOf(schedule)) {
    case 'own':
      return texts.scheduleOwn(schedule.mode);
    case 'every':
      return texts.scheduleEvery(minutesOf(schedule.repeat_interval));
    case 'daily':
      return texts.scheduleAt(captionOf(texts.days, schedule.days?.[0] ?? 'everyday'), clock(schedule.run_at));
    default:
      return captionOf(texts.scheduleWords, schedule.mode);
  }
}

/** The form fields for the schedule of a job. */
export class ScheduleForm {
  readonly element: HTMLElement;
  readonly #before: Row | undefined;
  readonly #way: HTMLSelectElement;
  readonly #minutes: HTMLInputElement;
  readonly #time: HTMLInputElement;
  readonly #days: HTMLSelectElement;
  readonly #untouched: string;

  constructor(schedule: Row | undefined) {
    this.#before = schedule;
    const way = schedule ? wayOf(schedule) : 'manual';
    const options =
      way === 'own' ? [['own', texts.scheduleKept] as const, ...texts.scheduleWords] : texts.scheduleWords;
    this.#way = choice(options, way, () => this.#showFitting());
    this.#minutes = h('input', {
      type: 'number',
      min: 1,
      max: 10_000,
      value: way === 'every' ? minutesOf(schedule.repeat_interval) : 60,
    });
    this.#time = h('input', { type: 'time', value: way === 'daily' ? clock(schedule.run_at) : '02:00' });
    this.#days = choice(texts.days, (way === 'daily' && schedule.days?.[0]) || 'everyday');
    this.element = h(
      'div',
      {},
      field(texts.schedule, this.#way),
      field(texts.minutes, this.#minutes),
      field(texts.timeOfDay, this.#time, texts.timeOfDayHelp),
      field(texts.daysOfWeek, this.#days),
    );
    this.#untouched = this.#state;
    this.#showFitting();
  }

  get isManual(): boolean {
    return this.#way.value === 'manual';
  }

  /** The schedule for the request, merged over the previous one; undefined: unchanged. @throws CallFailed */
  get value(): Row | undefined {
    if (this.#before && this.#state === this.#untouched) return undefined;
    const gone = Object.fromEntries(OF_WAYS.filter((key) => key in (this.#before ?? {})).map((key) => [key, null]));
    return { ...gone, ...this.#chosen };
  }

  get #chosen(): Row {
    const way = this.#way.value;
    if (way === 'every') {
      const value = Number(this.#minutes.value);
      if (!(value >= 1)) throw new CallFailed(0, texts.fillIn(texts.minutes));
      return { mode: 'auto', repeat_interval: { value, unit: 'm' } };
    }
    if (way === 'daily') {
      const [hr, min] = this.#time.value.split(':').map(Number);
      if (hr === undefined || min === undefined) throw new CallFailed(0, texts.fillIn(texts.timeOfDay));
      return { mode: 'auto', run_at: { hr, min }, days: [this.#days.value] };
    }
    return { mode: way };
  }

  get #state(): string {
    return [this.#way, this.#minutes, this.#time, this.#days].map(({ value }) => value).join(' ');
  }

  #showFitting(): void {
    const way = this.#way.value;
    const show = (control: HTMLElement, is: boolean): void => {
      control.parentElement!.hidden = !is;
    };
    show(this.#minutes, way === 'every');
    show(this.#time, way === 'daily');
    show(this.#days, way === 'daily');
  }
}
