export const DAY_MS = 86_400_000;

/** A time of day on a wall clock. */
export interface TimeOfDay {
  readonly hr: number;
  readonly min: number;
  readonly sec: number;
  readonly ms: number;
}

/** Milliseconds from midnight, by the wall clock. */
export const timeOfDayMs = ({ hr, min, sec, ms }: TimeOfDay): number => ((hr * 60 + min) * 60 + sec) * 1000 + ms;

/**
 * The wall clock of a time zone, by Node's own zone data. A wall-clock time ("local") is represented by the
 * milliseconds since the epoch at which a UTC clock shows the same date and time.
 */
export interface Zone {
  /** The wall-clock time at an instant. */
  local(instant: number): number;
  /**
   * The instant at which the wall clock shows a time. If it does so twice, the first instant; if it skips the time, the
   * first instant after the gap. Never decreases as `local` grows.
   */
  instant(local: number): number;
}

const zones = new Map<string, Zone>();

/** @param name of the IANA data, already validated; undefined: this machine's zone */
export function zoneOf(name: string | undefined): Zone {
  const key = name ?? '';
  let zone = zones.get(key);
  if (!zone) zones.set(key, (zone = makeZone(name)));
  return zone;
}

function makeZone(name: string | undefined): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    ...(name === undefined ? {} : { timeZone: name }),
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });

  const local = (instant: number): number => {
    const [month, day, year, hour, minute, second] = format.format(instant).match(/\d+/g)!.map(Number);
    return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) + (((instant % 1000) + 1000) % 1000);
  };
  const offset = (instant: number): number => local(instant) - instant;

  return {
    local,
    instant(wanted) {
      // No zone differs from UTC by more than a day, and none changes its offset twice within two days.
      const before = offset(wanted - DAY_MS);
      const after = offset(wanted + DAY_MS);
      const first = wanted - before;
      if (before === after || offset(first) === before) return first;
      const second = wanted - after;
      if (offset(second) === after) return second;
      let [old, changed] = [second, first];
      while (changed - old > 1) {
        const middle = Math.floor((old + changed) / 2);
        if (offset(middle) === before) old = middle;
        else changed = middle;
      }
      return changed;
    },
  };
}
