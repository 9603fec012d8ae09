import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Log } from '../../base/log.js';
import { CONNECTIONS, connectionOf, escapeOctal, type MountEntry } from '../mountpoint.js';

/**
 * $1: the number of the connection, by which fusectl aborts it. If fusectl is not mounted, root mounts it briefly in a
 * private mount namespace. After the abort the mount stays and answers ENOTCONN, so that no program writes into the
 * folder below it. A line on standard input means a regular end; end of file without one, or SIGTERM, means that the
 * daemon has died. $2: the mount as in mountinfo. It must still exist, because connection numbers are reused: without
 * it, the number may belong to another mount.
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
 * Aborts the connection when this process dies. The kernel ends the mounts of a killed daemon, unless one of its
 * threads was writing a notification about a folder that a program had locked. Then the thread waits for the program,
 * the program waits for an answer, and readers of /proc wait for both. A shell that gets SIGTERM when the main thread
 * ends (PR_SET_PDEATHSIG, prctl(2), set by setpriv(1)) resolves this deadlock.
 */
export class ConnectionGuard {
  readonly #child;

  constructor(mount: MountEntry, log: Log) {
    // The mount point is passed only to be visible in the list of processes.
    const place = ` ${mount.device} / ${escapeOctal(mount.mountpoint)} `;
    const shell = ['sh', '-c', SCRIPT, 'procorefs-guard', connectionOf(mount), place, mount.mountpoint];
    const { PATH = '/usr/sbin:/usr/bin:/sbin:/bin' } = process.env;
    this.#child = spawn('setpriv', ['--pdeathsig', 'TERM', ...shell], {
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
