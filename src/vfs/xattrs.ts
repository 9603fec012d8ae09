import { Failure } from '../base/errors.js';
import { oneLine } from '../base/text.js';
import { PRIVATE } from '../mirror/database/flags.js';
import type { LocalItem } from '../outbox/tree/tree.js';
import { USUAL_CHECKOUT_S } from '../outbox/upload/checkouts.js';
import type { ProjectParts } from './options.js';

type Value = (item: LocalItem, project: ProjectParts) => string | undefined;

/** Setting it to a number of seconds, or a key of `PERIODS`, checks the file out; `0` or removal checks it in. */
export const CHECKOUT = 'user.procore.checkout';
/** `1` pins the item and everything below it, so that the content is kept locally; `0` or removal unpins it. */
export const PIN = 'user.procore.pin';
/** Procore's usual periods, and words for yes and no, in seconds. */
const PERIODS: Readonly<Record<string, number>> = {
  '': USUAL_CHECKOUT_S,
  '1': USUAL_CHECKOUT_S,
  yes: USUAL_CHECKOUT_S,
  '0': 0,
  no: 0,
  '1h': 3600,
  '3h': 3 * 3600,
  '6h': 6 * 3600,
  '12h': 12 * 3600,
  '24h': 24 * 3600,
  '7d': 7 * 24 * 3600,
};

/** Returns seconds; 0 means check in. @throws Failure `bad-attribute` */
export function checkoutPeriod(value: Uint8Array): number {
  const text = Buffer.from(value).toString().trim();
  const seconds = PERIODS[text] ?? (/^\d{2,7}$/.test(text) ? Number(text) : undefined);
  if (seconds === undefined)
    throw new Failure('bad-attribute', {
      name: CHECKOUT,
      value: oneLine(text, 40),
      wanted: Object.keys(PERIODS).join(' ').trim(),
    });
  return seconds;
}

/** @throws Failure `bad-attribute` */
export function pinned(value: Uint8Array): boolean {
  const text = Buffer.from(value).toString().trim();
  if (/^(1|yes)$/.test(text)) return true;
  if (/^(0|no)$/.test(text)) return false;
  throw new Failure('bad-attribute', { name: PIN, value: oneLine(text, 40), wanted: '1 0' });
}

/** Readable by name but never listed, so that `cp -a` and `rsync -X` do not copy them. */
export const xattrs: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['user.procore.id', (item) => String(item.remoteId)],
  ['user.procore.version', (item) => (item.isFile ? String(item.versionNumber) : undefined)],
  ['user.procore.web_url', (item, { webUrl }) => webUrl(item)],
  ['user.procore.created_by', (item, { mirror }) => mirror.view.people(item.inode).createdBy],
  ['user.procore.state', (item) => stateOf(item)],
  ['user.procore.error', (item) => item.intent?.reason],
  ['user.procore.checked_out_by', (item, { mirror }) => mirror.view.people(item.inode).checkedOutBy],
  [
    CHECKOUT,
    (item, { checkouts }) => {
      const own = checkouts.own(item.inode);
      return own && new Date(own.until * 1000).toISOString();
    },
  ],
  [PIN, (item, { pins }) => (pins.holder(item) ? '1' : '0')],
  ['user.procore.private', (item) => String((item.flags & PRIVATE) !== 0)],
]);

/** `synced|pending|uploading|error|local` */
export function stateOf({ intent }: LocalItem): string {
  if (!intent) return 'synced';
  return {
    open: 'pending',
    held: 'pending',
    waiting: 'pending',
    uploading: 'uploading',
    failed: 'error',
    refused: 'error',
    local: 'local',
  }[intent.state];
}
