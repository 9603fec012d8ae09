import { PRIVATE } from '../mirror/flags.js';
import type { Item, View } from '../mirror/view.js';
import type { LocalItem } from '../outbox/tree.js';

/** Where an item can be seen in a browser. */
export type WebUrl = (item: Item) => string;

type Value = (item: LocalItem, view: View, webUrl: WebUrl) => string | undefined;

/** Readable by name, never listed, so that `cp -a` and `rsync -X` carry none of them away. */
export const xattrs: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['user.procore.id', (item) => String(item.remoteId)],
  ['user.procore.version', (item) => (item.isFile ? String(item.versionNumber) : undefined)],
  ['user.procore.web_url', (item, _view, webUrl) => webUrl(item)],
  ['user.procore.created_by', (item, view) => view.people(item.inode).createdBy],
  ['user.procore.state', (item) => stateOf(item)],
  ['user.procore.error', (item) => item.intent?.reason],
  ['user.procore.checked_out_by', (item, view) => view.people(item.inode).checkedOutBy],
  ['user.procore.private', (item) => String((item.flags & PRIVATE) !== 0)],
]);

/** `synced|pending|uploading|error|local` */
function stateOf({ intent }: LocalItem): string {
  if (!intent) return 'synced';
  return {
    open: 'pending',
    held: 'pending',
    waiting: 'pending',
    uploading: 'uploading',
    failed: 'error',
    local: 'local',
  }[intent.state];
}
