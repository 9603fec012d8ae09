import { simulatorOptions } from '#src/simulator/options.js';
import { startSimulator } from '#src/simulator/simulator.js';

/** Runs in a child process: starts the simulator that the first argument describes, says when it is ready, stays. */
process.once('disconnect', () => process.exit(0));
try {
  const simulator = await startSimulator(simulatorOptions(JSON.parse(process.argv[2] ?? '{}')), (error) => {
    console.error('simulator:', error);
  });
  process.on('message', (message) => {
    if (message !== 'close') return;
    void simulator.close().then(() => process.exit(0));
  });
  process.send?.({ ready: simulator.ready });
} catch (error) {
  process.send?.({ error: String(error) });
  process.disconnect?.();
}
