import { Failure, failureToJson } from '../base/errors.js';
import type { DaemonRequest } from '../daemon/run.js';
import type { Command } from './command.js';
import type { DaemonAnswer } from './start-daemon.js';

/** The daemon process of `mount`, which sends its request to it; not for direct use. */
export const daemon: Command = {
  name: 'daemon',
  summary: 'the process behind a mount (started by mount)',
  hidden: true,
  async run() {
    if (!process.send) throw new Failure('usage', { what: 'the daemon is started by `procorefs mount`' });
    const request = await new Promise<DaemonRequest>((resolve) =>
      process.once('message', (message) => resolve(message as DaemonRequest)),
    );
    const send = (answer: DaemonAnswer): Promise<void> =>
      new Promise((resolve) => process.send!(answer, () => resolve()));
    // The process that requested the mount ended before the mount answered: the daemon ends too.
    const leave = (): boolean => process.kill(process.pid, 'SIGTERM');
    process.once('disconnect', leave);
    try {
      const { runDaemon } = await import('../daemon/run.js');
      const { delegated } = await runDaemon(request);
      process.off('disconnect', leave);
      await send({ mounted: true, delegated });
      if (delegated) process.exit(0);
    } catch (error) {
      await send({ failure: failureToJson(error) });
      process.exit(1);
    }
  },
};
