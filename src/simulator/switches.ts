import { Failure } from '../base/errors.js';

interface SwitchRow {
  /** The first value is the default. */
  readonly values: readonly string[];
  /** Any whole number above 0 is a value, too. */
  readonly anyNumber?: true;
  /** The behaviour of the real API that is unknown or differs between accounts. */
  readonly fact: string;
}

/**
 * One row for each behaviour of Procore's API that is inferred or unknown, so that a client can be tested with every
 * variant. Confirmed behaviour has no switch: the simulator enforces it.
 */
export const switchTable = {
  'hour-window': {
    values: ['fixed', 'clock-aligned', 'sliding'],
    fact: 'whether the hourly window starts with a call, with the hour of the clock, or slides',
  },
  'spike-window': { values: ['fixed', 'clock-aligned', 'sliding'], fact: 'the same for the window of 10 seconds' },
  compression: { values: ['gzip', 'none'], fact: 'whether replies are compressed for those who take that' },
  'retry-after-on-429': { values: ['yes', 'no'], fact: 'whether a 429 carries Retry-After' },
  'rate-headers-on-401': { values: ['yes', 'no'], fact: 'whether a refused token still gets the rate headers' },

  'token-type': { values: ['Bearer', 'bearer'], fact: 'the case of token_type' },
  'grant-error-status': { values: ['400', '401'], fact: 'the status of a refused grant' },
  pkce: { values: ['ignored', 'checked', 'refused'], fact: 'whether the sign-in takes code_challenge' },
  'company-header-status': { values: ['400', '403', '422'], fact: 'the status when Procore-Company-Id is missing' },
  'company-header-on-companies': {
    values: ['required', 'optional'],
    fact: 'whether a service account needs Procore-Company-Id even to list companies',
  },
  'errors-form': {
    values: ['map', 'array', 'string', 'error', 'message'],
    fact: 'how the body of an error without a field of its own is spelled',
  },

  'app-connected': { values: ['yes', 'no'], fact: "whether the app is installed in the company's App Management" },
  'project-access': {
    values: ['write', 'read', 'not-permitted', 'tool-off'],
    fact: 'what the account may do in the projects: write, read only (the root folder says read_only), not permitted (403), Documents tool off (403)',
  },
  'other-projects': {
    values: ['absent', 'present'],
    fact: 'whether the company also has a project that is not permitted and one with the tool switched off',
  },
  'other-company': { values: ['absent', 'present'], fact: 'whether there is a company without the app' },
  'project-names': { values: ['unique', 'same'], fact: 'project names need not be unique' },
  'private-items': { values: ['visible', 'hidden'], fact: 'whether the account may see private items' },

  'bump-rename': { values: ['yes', 'no'], fact: 'whether a rename changes updated_at' },
  'bump-move': { values: ['yes', 'no'], fact: 'whether a move changes updated_at' },
  'bump-delete': { values: ['yes', 'no'], fact: 'whether a deletion changes updated_at' },
  'bump-restore': { values: ['yes', 'no'], fact: 'whether a restore changes updated_at' },
  'bump-permission': { values: ['no', 'yes'], fact: 'whether a change of permissions changes updated_at' },
  'bump-checkout': { values: ['yes', 'no'], fact: 'whether a check-out changes updated_at' },
  'bump-parent': { values: ['no', 'yes'], fact: 'whether creating a child changes updated_at of its folder' },
  'bump-subtree': {
    values: ['no', 'yes'],
    fact: 'whether deleting or restoring a folder changes updated_at of everything below it',
  },

  'recycled-parent': { values: ['kept', 'bin'], fact: "whether a recycled row keeps its parent_id or gets the bin's" },
  'recycled-subtree': {
    values: ['deleted', 'kept'],
    fact: 'whether is_deleted is also true for what is below a deleted folder',
  },
  'recycled-name': { values: ['free', 'blocked'], fact: 'whether a recycled item still blocks its name' },
  'recycled-get': { values: ['200', '404'], fact: 'what GET of a single recycled item answers' },
  'recycled-in-index': { values: ['included', 'excluded'], fact: 'whether the index lists recycled rows unasked' },
  'recycled-in-folders': {
    values: ['excluded', 'included'],
    fact: "whether a folder's listing shows recycled children",
  },
  'recycled-write': {
    values: ['404', 'accepted'],
    fact: 'what a change, a deletion or a new version of a recycled item answers',
  },
  'recycled-filter': {
    values: ['all', 'tops'],
    fact: 'whether the filter for the recycle bin also shows what is below a deleted folder',
  },
  'delete-reply': {
    values: ['item', 'childless', 'nothing'],
    fact: 'what the reply to a deletion shows: the item, a folder as if nothing had been in it, or nothing',
  },
  restore: {
    values: ['by-parent-id', 'refused'],
    fact: 'whether PATCH of parent_id takes an item out of the recycle bin',
  },
  'parent-missing': {
    values: ['404', '400', '422'],
    fact: 'the status when parent_id is not there, or in the recycle bin',
  },
  'bin-in-index': { values: ['yes', 'no'], fact: 'whether the Recycle Bin folder is a row of the index' },
  'root-in-index': { values: ['no', 'yes'], fact: 'whether the root folder is a row of the index' },
  'index-other-part': {
    values: ['null', 'absent'],
    fact: "whether a folder's row has file: null, a file's children: null",
  },

  'folder-write-flags': {
    values: ['ignored', 'obeyed'],
    fact: 'whether exclude_folders and exclude_files also count for the reply to a change of a folder',
  },
  'open-range': { values: ['accepted', '400'], fact: 'whether a range may lack its end or its start' },
  'range-end': { values: ['inclusive', 'exclusive'], fact: 'whether the end of a range belongs to it' },
  'unknown-sort': { values: ['ignored', '400'], fact: 'what an unknown sort key does' },
  'unknown-filter': { values: ['ignored', '400'], fact: 'what an unknown filter does' },
  'default-sort': { values: ['id', 'name', '-updated_at'], fact: 'the order of the index when none is asked for' },
  'equal-keys': {
    values: ['by-id', 'unstable'],
    fact: 'the order among equal sort keys: by id, or another at each call',
  },
  'default-per-page': { values: ['100', '10', '25'], fact: 'rows a page when per_page is not given' },
  'per-page-beyond': { values: ['capped', '400'], fact: 'what a per_page above the maximum does' },
  'per-page-most': { values: ['10000', '2000', '1000', '100'], fact: 'the maximum of per_page' },
  'total-header': { values: ['yes', 'no'], fact: 'whether paged replies carry Total' },
  'link-header': { values: ['yes', 'no'], fact: 'whether paged replies carry Link' },
  'version-order': { values: ['oldest-first', 'newest-first'], fact: 'the order of file_versions' },
  'id-space': { values: ['shared', 'separate'], fact: 'whether a file and a folder can have the same id' },
  'index-v1': {
    values: ['allowed', 'denied', 'gone'],
    fact: 'whether the app may use the deprecated v1.0 index: 403, 410 if not',
  },
  'index-v2': { values: ['present', 'absent'], fact: 'whether the v2.0 index exists' },
  'index-v2-rows': { values: ['100'], anyNumber: true, fact: 'the maximum of per_page of the v2.0 index' },
  'v2-folders': { values: ['absent', 'present'], fact: 'whether the v2.0 folder resources exist' },

  'url-form': {
    values: ['signed', 'redirect', 'redirects-5', 'redirects-6'],
    fact: "whether a version's URL is signed, or leads there by redirects from a host that wants the token",
  },
  'storage-range': { values: ['supported', 'ignored'], fact: 'whether the storage honours Range' },
  'storage-etag': { values: ['present', 'absent'], fact: 'whether the storage sends ETag' },

  'name-characters': {
    values: ['kept', 'replaced', 'refused'],
    fact: 'whether the characters / < > : \\ | ? * are kept, replaced by "-", or refused',
  },
  'name-edges': { values: ['kept', 'trimmed', 'refused'], fact: 'white space and dots at the ends of a name' },
  'name-unicode': { values: ['kept', 'nfc'], fact: 'whether names are normalised' },
  'name-case': { values: ['sensitive', 'insensitive'], fact: 'whether names that differ only in case clash' },
  'name-twins': { values: ['distinct', 'clash'], fact: 'whether the composed and decomposed form of a name clash' },
  'name-length': { values: ['255', '150', 'unlimited'], fact: 'characters that a new name may have' },
  'file-folder-clash': { values: ['allowed', 'refused'], fact: 'whether a file and a folder may share a name' },
  executables: { values: ['accepted', 'refused'], fact: 'whether the company refuses executable extensions' },

  'empty-file': { values: ['accepted', 'refused'], fact: 'whether a file of 0 bytes may be uploaded' },
  'upload-unknown': { values: ['400', '422', '404'], fact: 'the status for an upload_uuid that is not known' },
  'upload-reuse': { values: ['refused', 'accepted'], fact: 'whether an upload can be used twice' },
  'upload-status': { values: ['204', '201'], fact: "the storage's status for a single upload" },
  'version-name': { values: ['ignored', 'renames'], fact: 'whether the name of a new version renames the file' },
  'account-is-admin': {
    values: ['no', 'yes'],
    fact: 'whether the account may add a version to what others have checked out',
  },
  'checkout-conflict': {
    values: ['409', '403', '422'],
    fact: 'the status when another person has the file checked out',
  },
  'checkout-expiry': { values: ['ends', 'stays'], fact: 'whether checked_out_by is cleared once the time has passed' },
} as const satisfies Record<string, SwitchRow>;

export type SwitchName = keyof typeof switchTable;
export type SwitchValue<Name extends SwitchName> = (typeof switchTable)[Name]['values'][number];

export const isSwitch = (name: string): name is SwitchName => Object.hasOwn(switchTable, name);

/** The positions of all switches; they can be changed while the simulator runs. */
export class Switches {
  readonly #values = new Map<SwitchName, string>();
  readonly #watchers: ((name: SwitchName) => void)[] = [];

  get<Name extends SwitchName>(name: Name): SwitchValue<Name> {
    return (this.#values.get(name) ?? switchTable[name].values[0]) as SwitchValue<Name>;
  }

  is<Name extends SwitchName>(name: Name, value: SwitchValue<Name>): boolean {
    return this.get(name) === value;
  }

  number(name: SwitchName): number {
    return Number(this.get(name));
  }

  /** Throws the failure `usage` for an unknown name or value. */
  set(name: string, value: string): void {
    if (!isSwitch(name)) throw new Failure('usage', { what: `there is no switch "${name}"` });
    const { values, anyNumber }: SwitchRow = switchTable[name];
    if (!values.includes(value) && !(anyNumber && /^[1-9]\d{0,8}$/.test(value))) {
      throw new Failure('usage', { what: `the switch "${name}" is one of ${values.join(', ')}, not "${value}"` });
    }
    this.#values.set(name, value);
    for (const watcher of this.#watchers) watcher(name);
  }

  watch(changed: (name: SwitchName) => void): void {
    this.#watchers.push(changed);
  }

  all(): Record<string, string> {
    return Object.fromEntries(Object.keys(switchTable).map((name) => [name, this.get(name as SwitchName)]));
  }
}
