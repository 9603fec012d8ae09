/**
 * `reader`: makes previews or indexes, or scans. It reads files without a user's request, so its reads are limited.
 * `shower`: shows folders, and reads the beginnings of files to find their types; it also copies files for users, so it
 * is never refused. `server`: reads for remote users, of whom nothing is known here; never refused.
 */
export type ProgramKind = 'reader' | 'shower' | 'server';

export interface Program {
  /** The name of the executable. The kernel's name of a process has its first 15 bytes. */
  readonly name: string;
  readonly kind: ProgramKind;
}

type Row = (kind: ProgramKind, names: string) => Program[];
const are: Row = (kind, names) => names.split(' ').map((name) => ({ name, kind }));

export const programs: readonly Program[] = [
  // Thumbnails: daemons, and the programs that they start for a file.
  ...are('reader', 'tumblerd gnome-thumbnailer gdk-pixbuf-thumbnailer glycin-thumbnailer ffmpegthumbnailer'),
  ...are('reader', 'totem-video-thumbnailer totem-audio-preview evince-thumbnailer papers-thumbnailer raw-thumbnailer'),
  ...are('reader', 'atril-thumbnailer xreader-thumbnailer gsf-office-thumbnailer gnome-font-viewer-thumbnailer'),
  ...are('reader', 'xapp-thumbnailers heif-thumbnailer avif-thumbnailer dwg-thumbnailer f3d-thumbnailer stl-thumb'),
  ...are('reader', 'kio_thumbnail kioworker-thumbnail thumbnail.so mate-thumbnail-font ffmpegthumbs sushi-start'),
  // Indexes of contents.
  ...are('reader', 'tracker-miner-fs tracker-miner-fs-3 tracker-extract tracker-extract-3 tracker-store'),
  ...are('reader', 'localsearch localsearch-3 localsearch-extractor localsearch-extractor-3'),
  ...are('reader', 'baloo_file baloo_file_extractor baloorunner recoll recollindex recollindexd zeitgeist-fts'),
  ...are('reader', 'beagled strigidaemon nepomukindexer namazu mkindex docfetcher catfish fsearch'),
  // Indexes of names; they normally read no content.
  ...are('reader', 'updatedb updatedb.mlocate updatedb.plocate updatedb.findutils mlocate plocate-build'),
  // Virus scanners and integrity checkers.
  ...are(
    'reader',
    'clamd clamscan clamdscan clamonacc freshclam rkhunter chkrootkit aide tripwire osqueryd wazuh-syscheckd',
  ),
  ...are('reader', 'savscand savd sav-protect SophosScanD sophos_threat_detector mdatp wdavdaemon falcon-sensor'),
  ...are('reader', 'esets_daemon oaeventd ds_agent ds_am fsavd isecav mfetpd nails bdsecd avgd avast com.avast.daemon'),
  ...are('shower', 'thunar Thunar nautilus org.gnome.Nautilus nemo caja pcmanfm pcmanfm-qt dolphin konqueror krusader'),
  ...are('shower', 'nemo-desktop xfdesktop doublecmd ranger yazi lf nnn mc vifm gio gvfsd gvfsd-metadata file-roller'),
  ...are('server', 'smbd nfsd ganesha.nfsd sftp-server sshd sshd-session vsftpd proftpd pure-ftpd rclone rsync'),
  ...are('server', 'nginx apache2 httpd lighttpd caddy php-fpm wsdd davfs2 minidlnad syncthing'),
  ...are('shower', 'xdg-desktop-portal xdg-desktop-portal-gtk xdg-desktop-portal-gnome gnome-shell plasmashell'),
];

const COMM_BYTES = 15;
const byComm = new Map(programs.map((program) => [program.name.slice(0, COMM_BYTES), program]));
/** Programs that run others under their own process name: the program is their first argument. */
const hosts: ReadonlySet<string> = new Set(['kioworker', 'kioslave5', 'python3', 'perl']);

/** @param name of a process as the kernel has it, see proc_pid_comm(5), or of an executable */
export const programOf = (name: string): Program | undefined => byComm.get(name.slice(0, COMM_BYTES));

export const isHost = (comm: string): boolean => hosts.has(comm);
