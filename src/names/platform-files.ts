import type { NamePattern, Platform, PlatformFeatures } from './platform.js';

const KIB = 1024;

/** C0 and DEL. */
export const CONTROLS = `${Array.from({ length: 32 }, (_, i) => String.fromCharCode(i)).join('')}\u007f`;

/** [MS-FSCC] 2.1.5 and "Naming Files, Paths, and Namespaces" of Windows. */
export const WINDOWS_CHARACTERS = `/\\<>:"|?*${CONTROLS.slice(0, 32)}`;

export const DEVICE_NAMES: NamePattern = {
  rule: 'reserved-name',
  pattern: /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)/giu,
  words: 'Windows takes no names of devices (CON, NUL, COM1, …), whatever their extension',
  replacement: '_$&',
};

export const DOT_OR_BLANK_END: NamePattern = {
  rule: 'name-end',
  pattern: /[. ]+$/gu,
  words: 'it takes no dot or blank at the end of a name',
  replacement: '',
};

const posix: PlatformFeatures = {
  caseInsensitive: false,
  fileSize: undefined,
  restrictedTypes: [],
  timeGrain: 1e-6,
  versions: 'no',
  authors: 'optional',
  locks: 'no',
  permissions: 'yes',
  metadata: 'optional',
  emptyFolders: true,
};

/** NAME_MAX and what a directory entry cannot hold, <linux/limits.h>. A path may be longer than PATH_MAX. */
const linux: Platform = {
  title: 'Linux',
  characters: '/\0',
  names: ['', '.', '..'],
  patterns: [],
  nameLength: { most: 255, unit: 'bytes' },
  pathLength: undefined,
  features: posix,
};

const windows: Platform = {
  title: 'a Windows share',
  characters: WINDOWS_CHARACTERS,
  names: ['', '.', '..'],
  patterns: [DEVICE_NAMES, DOT_OR_BLANK_END],
  nameLength: { most: 255, unit: 'utf16' },
  pathLength: { most: 32_000, unit: 'utf16' },
  features: { ...posix, caseInsensitive: true, timeGrain: 1e-6 },
};

/** Platforms that store files on this machine or its network: local disks, shares, servers reached by ssh. */
export const filePlatforms = {
  linux,
  nfs: { ...linux, title: 'an NFS share' },
  smb: windows,
  ntfs: { ...windows, title: 'NTFS' },
  exfat: {
    ...windows,
    title: 'exFAT',
    patterns: [DOT_OR_BLANK_END],
    features: { ...windows.features, timeGrain: 2, permissions: 'no', metadata: 'no', authors: 'no' },
  },
  fat: {
    ...windows,
    title: 'FAT',
    patterns: [DOT_OR_BLANK_END],
    features: {
      ...windows.features,
      fileSize: 4 * KIB ** 3 - 1,
      timeGrain: 2,
      permissions: 'no',
      metadata: 'no',
      authors: 'no',
    },
  },
  rsync: { ...linux, title: 'a server by rsync' },
  sftp: { ...linux, title: 'a server by SFTP', features: { ...posix, timeGrain: 1 } },
} as const satisfies Record<string, Platform>;
