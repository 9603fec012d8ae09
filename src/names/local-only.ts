import { Failure } from '../base/errors.js';
import { matchSequence } from './sequence.js';

/**
 * `local`: never published. `transfer-temporary`: a temporary name during a transfer; the file is published after its
 * rename. `published`: everything else.
 */
export type NameClass = 'local' | 'transfer-temporary' | 'published';

export interface LocalOnlyPattern {
  readonly class: Exclude<NameClass, 'published'>;
  /** Matched against the whole name as shown. */
  readonly pattern: { test(name: string): boolean };
  /** The program that creates such names, for `uploads` and the log. */
  readonly by: string;
  /** Which items can match; a folder that a person calls `4913` is a folder. */
  readonly of: 'file' | 'folder' | 'any';
}

type Row = (by: string, pattern: LocalOnlyPattern['pattern'], of?: LocalOnlyPattern['of']) => LocalOnlyPattern;
const local: Row = (by, pattern, of = 'file') => ({ class: 'local', pattern, by, of });
const temporary: Row = (by, pattern, of = 'file') => ({ class: 'transfer-temporary', pattern, by, of });

/**
 * Names of files that programs create beside the files they work on. A name that a person might give a document is
 * never `local`: it may be held back for a while, but is published in the end.
 */
export const builtInPatterns: readonly LocalOnlyPattern[] = [
  // memline.c: .swp, then .swo, .swn, …; without the leading dot where names are short.
  local('vim, swap file', /^\.(.*\.)?sw[g-px]$|^.+\.sw[n-px]$/),
  // bufwrite.c
  local('vim, test of the folder', /^4913$/),
  local('vim, undo file', /^\..+\.un~$/),
  local('emacs, lock', /^\.#.+$/),
  local('kate, swap file', /^\..+\.kate-swp$/),
  local('Office, owner file', /^~\$.+$/),
  local('LibreOffice, lock', /^\.~lock\..*#$/),
  local('AutoCAD, lock', /^.+\.dwl2?$/i),
  local('Access, lock', /^.+\.laccdb$/i),
  local('FUSE, open while deleted', /^\.fuse_hidden[0-9a-f]+$/),
  local('NFS, open while deleted', /^\.nfs[0-9a-f]{8,}$/),
  local('SMB, open while deleted', /^\.smbdelete.+$/),
  local('macOS', /^(\.DS_Store|\._.+|\.apdisk)$/),
  local('macOS', /^\.(Spotlight-V100|Trashes|fseventsd|TemporaryItems|AppleDouble|DocumentRevisions-V100)$/, 'folder'),
  local('Windows', /^(thumbs\.db|ehthumbs\.db|desktop\.ini)$/i),
  local('Windows', /^(\$RECYCLE\.BIN|System Volume Information)$/i, 'folder'),
  local('KDE, folder view', /^\.directory$/),
  // The FreeDesktop.org Trash specification: $topdir/.Trash and $topdir/.Trash-$uid.
  local('desktop, trash', /^\.Trash(-\d+)?$/, 'any'),
  local('desktop, thumbnails', /^\.(thumbnails|sh_thumbnails)$/, 'folder'),

  // receiver.c, get_tmpname(): a dot, the name (cut when long), and six characters of mkstemp.
  temporary('rsync', /^\..*\.[A-Za-z0-9]{6}$/),
  temporary('rsync, --delay-updates, --partial-dir', /^(\.~tmp~|\.rsync-partial)$/, 'folder'),
  // glocalfileoutputstream.c: gedit, Thunar and all programs that save through GIO.
  temporary('GIO', /^\.goutputstream-[A-Za-z0-9]{6}$/),
  // gfileutils.c, g_file_set_contents(): six of A-Z and 0-9; only a mix of both differs from an extension.
  temporary('GLib', /^.+\.(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{6}$/),
  // QSaveFile: six letters; only a change from lower to upper case differs from an extension.
  temporary('Qt', /^.+\.(?=[A-Za-z]*[a-z][A-Z])[A-Za-z]{6}$/),
  temporary('sed -i', /^sed(?![a-z]{6}$)[A-Za-z0-9]{6}$/),
  temporary('Python, tempfile', /^tmp[a-z0-9_]{8}$/),
  temporary('zip', /^zi(?![a-z]{6}$)[A-Za-z0-9]{6}$/),
  temporary('git', /^(tmp_(obj|pack|idx|rev)_[A-Za-z0-9]{6}|(index|HEAD|config|packed-refs|shallow)\.lock)$/),
  temporary('vim, emacs, gedit: backup while saving', /^.+~$/),
  temporary('emacs, auto-save', /^#.+#$/),
  temporary('VS Code', /^.+\.vsctmp$/),
  temporary('JetBrains', /^.+___jb_(tmp|old)___$/),
  // KB 211632 (Word), KB 214073 (Excel: eight hexadecimal digits and no extension), ppt1A2B.tmp, LibreOffice's lu1a2b3c.tmp.
  temporary('Word', /^~wr[a-z]\d{4}(\.tmp)?$/i),
  temporary('Excel', /^(?=.*[A-F])(?=.*\d)[0-9A-F]{8}$|^[A-F][0-9a-f]{7}$/),
  temporary('Office, LibreOffice, AutoCAD and others', /^.+\.tmp$/i),
  temporary('AutoCAD', /^.+\.(ac|sv)\$$/i),
  temporary('unfinished download', /^.+\.(part|partial|crdownload|crswap|download|filepart|aria2|opdownload)$/i),
  temporary('syncthing, unison', /^(\.syncthing\..+|~syncthing~.+|\.unison\..+)\.tmp$/),
];

/**
 * The class of a name. `local` goes before `transfer-temporary`.
 * @param extra further patterns, made once by `globPattern`
 */
export function classifyName(
  name: string,
  extra: readonly LocalOnlyPattern[] = [],
  type: 'file' | 'folder' = 'file',
): NameClass {
  return matchName(name, extra, type)?.class ?? 'published';
}

/** The pattern that decides the class of a name. */
export function matchName(
  name: string,
  extra: readonly LocalOnlyPattern[] = [],
  type: 'file' | 'folder' = 'file',
): LocalOnlyPattern | undefined {
  let found: LocalOnlyPattern | undefined;
  for (const patterns of [builtInPatterns, extra])
    for (const row of patterns) {
      if ((row.of !== 'any' && row.of !== type) || !row.pattern.test(name)) continue;
      if (row.class === 'local') return row;
      found ??= row;
    }
  return found;
}

const LONGEST_PATTERN = 1000;

/** A pattern from `*`, `?` and plain characters, for a whole name. @throws Failure `usage` if it would match every name */
export function globPattern(glob: string, nameClass: LocalOnlyPattern['class']): LocalOnlyPattern {
  if (/^\**$/.test(glob) || glob.includes('/'))
    throw new Failure('usage', { what: `the name pattern "${glob}" must be of one name, and not of every name` });
  if (glob.length > LONGEST_PATTERN)
    throw new Failure('usage', { what: `a name pattern has over ${LONGEST_PATTERN} characters` });
  const parts = [...glob];
  const test = (name: string): boolean =>
    matchSequence(
      parts.length,
      (index) => parts[index] === '*',
      (index, character) => parts[index] === '?' || parts[index] === character,
      [...name],
    );
  return { class: nameClass, pattern: { test }, by: `pattern ${glob}`, of: 'file' };
}
