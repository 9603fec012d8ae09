import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Log } from '../../base/log.js';
import { CONNECTIONS, connectionOf, escapeOctal, type MountEntry } from '../mountpoint.js';

/** Opens the file that aborts a connection. Held open, it means this connection for ever; numbers are reused. */
const OPEN = `exec 9>${CONNECTIONS}/$1/abort`;

/**
 * After the abort the mount stays and answers ENOTCONN, so that no program writes into the folder below it. A line on
 * standard input means a regular end; end of file without one, or SIGTERM, means that the daemon has died. $2: the mount
 * as in mountinfo. If it is still there, the number was its own when the file was opened.
 */
const WAIT = `
trap 'echo 1 >&9; exit' TERM
grep -qF -e "$2" /proc/self/mountinfo || exit
read -r word || echo 1 >&9
`;

/**
 * $1: the number of the connection. $3: the script that waits. If fusectl is not mounted, root mounts it in a mount
 * namespace of its own, and returns to that of the process $4. $5: the mount point, to be seen in the list of processes.
 */
const SCRIPT = `
if [ -e ${CONNECTIONS}/$1 ]; then
  ${OPEN}
  eval "$3"
  exit
fi
exec unshare -m sh -c '
  mount -t fusectl fusectl ${CONNECTIONS} || exit
  ${OPEN}
  exec nsenter --mount=/proc/$4/ns/mnt sh -c "$3" procorefs-guard "$@"
' procorefs-guard "$@"
`;

/**
 * Aborts the connection when this process dies. The kernel ends the mounts of a killed daemon, unless one of its
 * threads was writing a notification about a folder that a program had locked. Then the thread waits for the program,
 * the program waits for an answer, and readers of /proc wait for both. A shell that gets SIGTERM when the main thread
 * ends (PR_SET_PDEATHSIG, prctl(2), set by setpriv(1)) resolves this deadlock.
 */
export class ConnectionGuard {
  readonly #child;

  constructor(mount: MountEntry, log: Log) {
    const place = ` ${mount.device} / ${escapeOctal(mount.mountpoint)} `;
    const words = [connectionOf(mount), place, WAIT, String(process.pid), mount.mountpoint];
    const { PATH = '/usr/sbin:/usr/bin:/sbin:/bin' } = process.env;
    this.#child = spawn('setpriv', ['--pdeathsig', 'TERM', 'sh', '-c', SCRIPT, 'procorefs-guard', ...words], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
      env: { PATH },
    });
    // Without the guard (no util-linux, or killed), `mount` and `umount` can still abort a hanging connection.
    this.#child.on('error', (error) => log.debug({ err: error }, 'no guard looks after the mount'));
    // `stdin` is undefined if no more file descriptors were available.
    this.#child.stdin?.on('error', () => undefined);
    this.#child.unref();
  }

  /** To be called when the mount has ended regularly: ends the guard. */
  async close(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    this.#child.ref();
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end('end\n');
    await gone;
  }
}
