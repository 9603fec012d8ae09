import type { Connections } from '../../connections/store.js';
import { STORAGE_TYPES, signsIn } from '../../endpoints/rclone/types.js';
import { isPlatform, platforms } from '../../names/platforms.js';

/** One field of the form for a new connection; a client can draw the form from these fields. */
export interface Attribute {
  readonly type: 'text' | 'password' | 'url' | 'select';
  readonly id: string;
  readonly caption: string;
  readonly hint: string;
  readonly required: boolean;
  readonly value: string | null;
  readonly help_text: string;
  readonly more_info: string | null;
  readonly show_default: boolean;
  readonly options: readonly { readonly id: string; readonly caption: string }[] | null;
  /** Shown only while another field has this value. */
  readonly when?: { readonly id: string; readonly value: string };
}

export type Form = Readonly<Record<string, Attribute>>;

const field = (
  id: string,
  caption: string,
  help_text: string,
  more: Partial<Omit<Attribute, 'id' | 'caption' | 'help_text'>> = {},
): Attribute => ({
  type: 'text',
  id,
  caption,
  hint: '',
  required: false,
  value: null,
  help_text,
  more_info: null,
  show_default: false,
  options: null,
  ...more,
});

const form = (...fields: readonly Attribute[]): Form => Object.fromEntries(fields.map((one) => [one.id, one]));

const displayAs = (standard: string): Attribute =>
  field('name', 'Display as', 'A distinctive name: search and filters use it.', {
    hint: standard,
    value: standard,
    show_default: true,
  });

const custom = { when: { id: 'credentials', value: 'custom' } } as const;

/** The fields of a Procore connection. `hasDefault`: this installation has a default client. */
export const procoreForm = (hasDefault: boolean): Form =>
  form(
    displayAs('Procore'),
    field(
      'credentials',
      'Platform API credentials',
      hasDefault
        ? "The app by which this installation signs in, or an app of your own from Procore's developer portal."
        : 'This installation has no client of its own: use the client id and secret of your app.',
      {
        type: 'select',
        required: true,
        value: hasDefault ? 'default' : 'custom',
        show_default: true,
        options: [
          { id: 'default', caption: 'Use the system default client credentials' },
          { id: 'custom', caption: 'Use custom client credentials' },
        ],
      },
    ),
    field('domain', 'Domain', 'The address of the login or API; left empty: production.', {
      type: 'url',
      hint: 'https://api.procore.com/',
      ...custom,
    }),
    field('client_id', 'Client ID', "Of the app, from your company's administrator.", { required: true, ...custom }),
    field('client_secret', 'Client Secret', 'Of the app. It is kept on this machine, and never shown again.', {
      type: 'password',
      required: true,
      ...custom,
    }),
  );

const place = (caption: string, hint: string, help: string): Attribute =>
  field('uri', caption, help, { hint, required: true });
const username = field('username', 'User name', 'Of the account at the server.');
const password = field('password', 'Password', 'It is kept on this machine, and never shown again.', {
  type: 'password',
});
const token = field('token', 'Token', 'What `rclone authorize` prints on a machine with a browser.', {
  type: 'password',
  required: true,
});

/** A folder below one of the configuration's `fs_roots`. */
const folderIn = (roots: readonly string[]): Attribute =>
  field(
    'uri',
    'Folder',
    roots.length === 0
      ? 'An absolute path on the machine that runs procorefs. "fs_roots" of its configuration opens folders to users.'
      : `On the machine that runs procorefs: ${roots.join(', ')}, or a folder below.`,
    { hint: '/srv/archive', required: true, value: roots[0] ?? null },
  );

const FORMS: Readonly<Record<string, readonly Attribute[]>> = {
  nfs: [
    place('Share', '/mnt/share or //server/share', 'Where the share is mounted, or its own name.'),
    username,
    password,
  ],
  smb: [place('Share', '//server/share/folder', 'Server, share and folder.'), username, password],
  rsync: [place('Place', 'host:/folder', 'Host and folder; keys are those of the user who runs procorefs.'), username],
  s3: [
    place('Bucket', 'bucket/folder', 'Bucket and folder.'),
    field('username', 'Access key', 'Its id.', { required: true }),
    field('password', 'Secret access key', 'It is kept on this machine, and never shown again.', {
      type: 'password',
      required: true,
    }),
    field('endpoint', 'Endpoint', "The server's address; left empty: Amazon's.", { type: 'url' }),
    field('provider', 'Provider', 'As rclone calls it: AWS, Minio, Wasabi, Other.', { hint: 'Other' }),
    field('region', 'Region', 'As the provider calls it.'),
  ],
  webdav: [place('Address', 'https://server/dav', 'Of the WebDAV folder.'), username, password],
  sftp: [place('Place', 'host:folder', 'Host and folder.'), username, password],
  ftp: [place('Place', 'host:folder', 'Host and folder.'), username, password],
  azureblob: [
    place('Container', 'container/folder', 'Container and folder.'),
    field('username', 'Account', 'Name of the storage account.', { required: true }),
    field('password', 'Key', 'Of the storage account.', { type: 'password', required: true }),
  ],
  b2: [
    place('Bucket', 'bucket/folder', 'Bucket and folder.'),
    field('username', 'Key id', 'Of the application key.', { required: true }),
    field('password', 'Key', 'The application key.', { type: 'password', required: true }),
  ],
};

const GROUPS: Readonly<Record<string, string>> = {
  fs: 'On-premises',
  nfs: 'On-premises',
  smb: 'On-premises',
  rsync: 'On-premises',
};
const TITLES: Readonly<Record<string, string>> = {
  fs: 'Local disk',
  nfs: 'Network share',
  smb: 'Windows share (SMB)',
  rsync: 'Server by rsync',
  ftp: 'Server by FTP',
};

export const platformIds: readonly string[] = ['procore', 'fs', 'nfs', 'smb', 'rsync', ...Object.keys(STORAGE_TYPES)];

const titleOf = (id: string): string => TITLES[id] ?? (isPlatform(id) ? platforms[id].title.replace(/^an? /, '') : id);

/** The form of any platform of the catalogue. */
export function formOf(id: string, connections: Connections, roots: readonly string[]): Form {
  if (id === 'procore') return procoreForm(hasDefaultClient(connections));
  if (id === 'fs') return form(displayAs(titleOf(id)), folderIn(roots));
  const own = FORMS[id] ?? [
    place('Folder', 'folder', 'The folder in the account; left empty: all of it.'),
    ...(signsIn(id) ? [token] : [username, password]),
  ];
  const fields =
    FORMS[id] || !signsIn(id) ? own : own.map((one) => (one.id === 'uri' ? { ...one, required: false } : one));
  return form(displayAs(titleOf(id)), ...fields);
}

export function hasDefaultClient(connections: Connections): boolean {
  try {
    connections.secrets.defaultClient();
    return true;
  } catch {
    return false;
  }
}

/** A row of `connections/platforms`. */
export function platformJson(id: string) {
  const row = isPlatform(id) ? platforms[id] : undefined;
  return {
    id,
    name: titleOf(id),
    group: id === 'procore' ? 'Construction' : (GROUPS[id] ?? 'Cloud'),
    features: {
      versions: row?.features.versions ?? 'no',
      locks: row?.features.locks ?? 'no',
      case_insensitive: row?.features.caseInsensitive ?? false,
      timestamps: row?.features.timeGrain !== undefined,
      empty_folders: row?.features.emptyFolders ?? true,
      max_file_size: row?.features.fileSize ?? null,
      restricted_types: row?.features.restrictedTypes ?? [],
    },
    path: {
      validation: {
        invalid_characters: [...(row?.characters ?? '')],
        path_length: row?.pathLength ?? null,
        segment_length: row?.nameLength ?? null,
      },
    },
    authorize: { prompt: { width: 800, height: 700 }, methods: [id === 'procore' ? 'oauth2' : 'prompt'] },
    disabled: false,
    default: id === 'procore',
    links: { icon: null, connect: `/v1/connections/platforms/${id}/new` },
  };
}
