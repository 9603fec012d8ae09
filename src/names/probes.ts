/** A name that desktops and tools look up in every folder, whether it exists or not. */
export interface Probe {
  readonly name: string;
  /** The program that looks it up. */
  readonly by: string;
}

type Row = (by: string, ...names: string[]) => Probe[];
const asks: Row = (by, ...names) => names.map((name) => ({ name, by }));

/**
 * Only names that control how a folder is shown or who manages it: no program that looks one up waits for a document,
 * so that the reply need not cost a call. Compared without regard to case, as Windows programs do through Samba.
 */
export const probes: readonly Probe[] = [
  ...asks('GIO, Thunar, Nautilus, Dolphin: trash of the mount', '.Trash', '.Trashes'),
  ...asks('GIO, GTK file dialogs: names to hide', '.hidden'),
  ...asks('GVfs: label and icon of the volume', '.xdg-volume-info', '.VolumeIcon.icns', '.volume.ico'),
  ...asks('KDE: how the folder is shown', '.directory'),
  ...asks('GTK: recent thumbnails', '.thumbnails', '.sh_thumbnails'),
  ...asks('Windows: how the folder is shown', 'desktop.ini', 'Thumbs.db', 'ehthumbs.db'),
  ...asks('Windows, desktops: what to start from a volume', 'autorun.inf', 'autorun.sh', '.autorun', 'autorun'),
  ...asks('desktops: what to open from a volume', '.autoopen', 'autoopen'),
  ...asks('Windows', '$RECYCLE.BIN', 'RECYCLER', 'System Volume Information'),
  ...asks('macOS', '.DS_Store', '.localized', '.apdisk', '.metadata_never_index', '.com.apple.timemachine.supported'),
  ...asks('macOS', '.Spotlight-V100', '.fseventsd', '.TemporaryItems', '.metadata_never_index_unless_rootfs'),
  ...asks('indexers: leave the folder out', '.nomedia', '.trackerignore', '.noindex'),
  ...asks('git, prompts of shells, editors', '.git', '.hg', '.svn', '.bzr', 'CVS', '.jj', '_darcs', '.fslckout'),
  ...asks('editors', '.editorconfig', '.vscode', '.idea'),
  ...asks('backup programs: leave the folder out', 'CACHEDIR.TAG', '.nobackup'),
];

const known = new Set(probes.map(({ name }) => name.toLowerCase()));
/** Names that contain a user or volume. */
const patterns: readonly RegExp[] = [/^\.Trash-\d{1,10}$/i, /^\._.+$/];

/**
 * Whether the look-up of a name is automatic: the answer may be "no" as long as nothing else is known of the folder.
 */
export const isProbe = (name: string): boolean =>
  known.has(name.toLowerCase()) || patterns.some((pattern) => pattern.test(name));
