import { captions, texts } from './texts.js';

/** The caption of a key in a reply. */
export const wordOf = (key: string): string => {
  const text = captions[key] ?? key.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** The caption of a word in a list of pairs; the word itself if the list has none. */
export const captionOf = (pairs: readonly (readonly [string, string])[], word: string): string =>
  pairs.find(([own]) => own === word)?.[1] ?? word;

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

export function bytesOf(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return texts.none;
  let at = 0;
  let value = bytes;
  for (; value >= 1000 && at < UNITS.length - 1; at++) value /= 1000;
  return `${at === 0 ? value : value.toFixed(1)} ${UNITS[at]}`;
}

/** Unix seconds as text in the user's local time. */
export const timeOf = (seconds: number | null | undefined): string =>
  seconds === null || seconds === undefined ? texts.none : new Date(seconds * 1000).toLocaleString();

export function durationOf(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
