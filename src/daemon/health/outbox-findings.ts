import { oneLine } from '../../base/text.js';
import { waits as isWaiting, type UploadLine } from '../../outbox/uploads-view.js';
import type { HealthFinding } from './finding.js';

/** Milliseconds after which a waiting change is reported. */
export const OLD_CHANGE_MS = 3_600_000;

const many = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
const waits = (count: number): string => `${many(count, 'change')} wait${count === 1 ? 's' : ''}`;
const since = (time: Date): string => `since ${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** The finding for held changes. It is an alarm and comes first, as these changes never continue by themselves. */
export const heldFinding = (where: string, count: number): Pick<HealthFinding, 'level' | 'kind' | 'message'> => ({
  level: 'broken',
  kind: 'held',
  message: `${where}: ${count} deletion${count === 1 ? '' : 's'} or overwrite${count === 1 ? '' : 's'} held, as they were many at once (procorefs uploads release or discard)`,
});

export const oldFinding = (
  where: string,
  count: number,
  first: Date,
): Pick<HealthFinding, 'level' | 'kind' | 'message'> => ({
  level: 'warning',
  kind: 'old-outbox',
  message: `${where}: ${waits(count)} ${since(first)} (procorefs uploads)`,
});

/** Findings about the outbox of a mount: first those that need a user's action, then changes that wait too long. */
export function outboxFindings(
  mountpoint: string,
  lines: readonly UploadLine[],
  now: number,
): Omit<HealthFinding, 'subject'>[] {
  const held = lines.filter(({ needs }) => needs === 'release');
  const forPerson = lines.filter(({ needs }) => needs === 'person');
  const refused = lines.filter(({ needs }) => needs === 'permission');
  const old = lines.filter(
    ({ needs, state, reason, since: time }) =>
      needs === undefined &&
      isWaiting({ state }) &&
      (state !== 'held' || reason !== undefined) &&
      (state === 'failed' || now - Date.parse(time) > OLD_CHANGE_MS),
  );
  const found: Omit<HealthFinding, 'subject'>[] = [];
  if (held.length > 0) found.push(heldFinding(mountpoint, held.length));
  if (forPerson.length > 0) {
    const { path, reason = '' } = forPerson[0]!;
    const unnamed = `${mountpoint}: ${waits(forPerson.length)} for a person (procorefs uploads)`;
    const message = oneLine(`${unnamed}, first ${path}: ${reason}`, 300);
    found.push({ level: 'warning', kind: 'needs-person', message, unnamed });
  }
  if (refused.length > 0) {
    const folders = new Set(refused.map(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf('/')))));
    const [folder] = folders;
    const which = ` (${folder || 'the top of the project'}${folders.size > 1 ? ', …' : ''})`;
    const said = (where: string): string =>
      `${mountpoint}: Procore refuses ${many(refused.length, 'change')} in ${many(folders.size, 'folder')}${where} (procorefs uploads)`;
    found.push({ level: 'warning', kind: 'refused', message: oneLine(said(which), 300), unnamed: said('') });
  }
  const late = lines.filter(({ state }) => state === 'late');
  if (late.length > 0) {
    const { path, what, reason = '' } = late[0]!;
    const unnamed = `${mountpoint}: ${many(late.length, 'call')} without an answer took effect late (procorefs uploads)`;
    const message = oneLine(`${unnamed}, first ${path}, ${what}: ${reason}`, 300);
    found.push({ level: 'warning', kind: 'late', message, unnamed });
  }
  if (old.length > 0) found.push(oldFinding(mountpoint, old.length, new Date(old[0]!.since)));
  return found;
}
