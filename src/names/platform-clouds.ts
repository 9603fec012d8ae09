import type { NamePattern, Platform, PlatformFeatures } from './platform.js';
import { CONTROLS, DEVICE_NAMES, DOT_OR_BLANK_END, WINDOWS_CHARACTERS } from './platform-files.js';

const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

const BLANK_ENDS: readonly NamePattern[] = [
  { rule: 'name-start', pattern: /^ +/gu, words: 'it takes no blank at the start of a name', replacement: '' },
  { rule: 'name-end', pattern: / +$/gu, words: 'it takes no blank at the end of a name', replacement: '' },
];

/** Names that the platform or a desktop reserves for its own files, in any case. */
const ownFiles = (names: readonly string[]): NamePattern => ({
  rule: 'reserved-name',
  pattern: new RegExp(`^(?:${names.map((name) => name.replaceAll('.', '\\.')).join('|')})$`, 'giu'),
  words: `it takes no name of its own files (${names.join(', ')})`,
  replacement: '_$&',
});

/** Object stores: a name is a key, `/` a convention, and an object is replaced as a whole. */
const objects: PlatformFeatures = {
  caseInsensitive: false,
  fileSize: 5 * TIB,
  restrictedTypes: [],
  // As metadata of the object, for programs that use it.
  timeGrain: 1e-9,
  versions: 'optional',
  authors: 'no',
  locks: 'optional',
  permissions: 'no',
  metadata: 'yes',
  emptyFolders: false,
};

/**
 * Limits of an object store: the length limit applies to the whole key, so that a single name has none of its own.
 * Control characters do not survive the XML of listings.
 */
const store: Platform = {
  title: 'an S3 store',
  characters: `/${CONTROLS}`,
  names: ['', '.', '..'],
  patterns: [],
  nameLength: undefined,
  pathLength: { most: 1024, unit: 'bytes' },
  features: objects,
};

/** Platforms for shared work on documents. */
const office: PlatformFeatures = {
  caseInsensitive: true,
  fileSize: 250 * GIB,
  restrictedTypes: [],
  timeGrain: 1,
  versions: 'yes',
  authors: 'no',
  locks: 'yes',
  permissions: 'yes',
  metadata: 'yes',
  emptyFolders: true,
};

/** "Restrictions and limitations in OneDrive and SharePoint", support.microsoft.com. */
const onedrive: Platform = {
  title: 'OneDrive',
  characters: WINDOWS_CHARACTERS,
  names: ['', '.', '..'],
  patterns: [
    DEVICE_NAMES,
    DOT_OR_BLANK_END,
    BLANK_ENDS[0]!,
    { rule: 'name-start', pattern: /^~\$/gu, words: 'it takes no name that begins with ~$', replacement: '_' },
    { rule: 'reserved-name', pattern: /_vti_/giu, words: 'it takes no name with _vti_ in it', replacement: '_' },
    ownFiles(['.lock', 'desktop.ini']),
  ],
  nameLength: { most: 255, unit: 'utf16' },
  pathLength: { most: 400, unit: 'utf16' },
  features: office,
};

/** Limits as the platforms publish them; lower limits of an account's plan show in use. */
export const cloudPlatforms = {
  s3: store,
  gcs: { ...store, title: 'Google Cloud Storage' },
  azureblob: {
    ...store,
    title: 'Azure Blob Storage',
    patterns: [{ rule: 'name-end', pattern: /\.+$/gu, words: 'it takes no dot at the end of a name', replacement: '' }],
    pathLength: { most: 1024, unit: 'utf16' },
    features: { ...objects, fileSize: 190 * TIB },
  },
  b2: {
    ...store,
    title: 'Backblaze B2',
    nameLength: { most: 250, unit: 'bytes' },
    features: { ...objects, fileSize: 9 * TIB, timeGrain: 1e-3, versions: 'yes' },
  },
  onedrive,
  sharepoint: { ...onedrive, title: 'SharePoint' },
  drive: {
    ...store,
    title: 'Google Drive',
    nameLength: undefined,
    pathLength: undefined,
    features: { ...office, caseInsensitive: false, fileSize: 5 * TIB, timeGrain: 1e-3 },
  },
  dropbox: {
    title: 'Dropbox',
    characters: `/\\${CONTROLS}`,
    names: ['', '.', '..'],
    patterns: [
      BLANK_ENDS[1]!,
      ownFiles(['desktop.ini', 'thumbs.db', '.ds_store', '.dropbox', '.dropbox.attr', '.dropbox.cache']),
    ],
    nameLength: { most: 255, unit: 'characters' },
    pathLength: undefined,
    features: { ...office, fileSize: 350 * GIB, metadata: 'optional' },
  },
  box: {
    title: 'Box',
    characters: `/\\${CONTROLS}`,
    names: ['', '.', '..'],
    patterns: BLANK_ENDS,
    nameLength: { most: 255, unit: 'characters' },
    pathLength: undefined,
    features: { ...office, fileSize: 150 * GIB },
  },
  webdav: {
    title: 'a WebDAV server',
    characters: `/${CONTROLS}`,
    names: ['', '.', '..'],
    patterns: [],
    nameLength: { most: 255, unit: 'bytes' },
    pathLength: undefined,
    // Limits of the standard; some servers support more, which is tested when the target is opened.
    features: {
      ...office,
      caseInsensitive: false,
      fileSize: undefined,
      timeGrain: undefined,
      versions: 'no',
      locks: 'optional',
      permissions: 'no',
    },
  },
  /** Any other storage that rclone supports; its features are read when it is opened. */
  rclone: {
    ...store,
    title: 'another storage by rclone',
    pathLength: undefined,
    features: { ...objects, fileSize: undefined, timeGrain: 1, versions: 'no', locks: 'no', metadata: 'no' },
  },
} as const satisfies Record<string, Platform>;
