const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Work that a signal must not cut in two. One that comes meanwhile ends the process when the work is done, unless
 * somebody else listens for it.
 */
export async function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  let came: NodeJS.Signals | undefined;
  const hold = (signal: NodeJS.Signals): void => {
    came ??= signal;
  };
  for (const signal of SIGNALS) process.on(signal, hold);
  try {
    return await work();
  } finally {
    for (const signal of SIGNALS) process.off(signal, hold);
    if (came !== undefined && process.listenerCount(came) === 0) process.kill(process.pid, came);
  }
}
