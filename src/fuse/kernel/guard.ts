import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Log } from '../../base/log.js';
import { CONNECTIONS, connectionOf, escapeOctal, type MountEntry } from '../mountpoint.js';

/**
 * $1: the number of the connection, by which fusectl aborts it; where that is not mounted, root mounts it for a moment and
 * for nobody else. Aborted, the mount stays and answers ENOTCONN: nobody writes into the folder below it. A word on
 * standard input says that all is well; its end without one, or SIGTERM, that the daemon is gone. $2: the mount as
 * mountinfo has it: numbers of connections are used again, and once the mount is gone this one may be another mount's.
 */
const SCRIPT = `
abort() {
  grep -qF -e "$2" /proc/self/mountinfo || return
  cd ${CONNECTIONS} || return
  echo 1 >"$1/abort" || unshare -m sh -c 'mount -t fusectl fusectl . && cd "$PWD" && echo 1 >"$1/abort"' sh "$1"
}
trap 'abort "$1" "$2"; exit' TERM
read -r word || abort "$1" "$2"
`;

/**
 * Aborts the connection when this process dies. A killed daemon takes its mounts along, unless one of its threads was
 * telling the kernel of a change in a folder that a program had locked: then the thread waits for the program, the
 * program for an answer, and whoever reads /proc for both. A shell that waits for the end of the main thread
 * (PR_SET_PDEATHSIG, prctl(2), which setpriv(1) sets) ends that.
 */
export class ConnectionGuard {
  readonly #child;

  constructor(mount: MountEntry, log: Log) {
    // The mount point is for whoever looks at the list of processes.
    const place = ` ${mount.device} / ${escapeOctal(mount.mountpoint)} `;
    const shell = ['sh', '-c', SCRIPT, 'procorefs-guard', connectionOf(mount), place, mount.mountpoint];
    const { PATH = '/usr/sbin:/usr/bin:/sbin:/bin' } = process.env;
    this.#child = spawn('setpriv', ['--pdeathsig', 'TERM', ...shell], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
      env: { PATH },
    });
    // Without util-linux, or when it was killed, `mount` and `umount` still free what hangs.
    this.#child.on('error', (error) => log.debug({ err: error }, 'no guard looks after the mount'));
    // Where nothing more can be opened there are no pipes.
    this.#child.stdin?.on('error', () => undefined);
    this.#child.unref();
  }

  /** The mount has ended as it should. */
  async close(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    this.#child.ref();
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end('end\n');
    await gone;
  }
}
