import { Failure } from '../base/errors.js';
import { parseSimulatorOptions, simulatorFlags } from '../simulator/options.js';
import { startSimulator } from '../simulator/simulator.js';
import type { Command } from './command.js';

export const simulate: Command = {
  name: 'simulate',
  summary: 'a local Procore with generated or real files; prints one JSON line when ready',
  flags: simulatorFlags,
  async run(context) {
    const simulator = await startSimulator(parseSimulatorOptions(context.flags));
    context.print(JSON.stringify(simulator.ready));
    const signal = await new Promise<string>((resolve) => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => resolve(name));
    });
    await simulator.close();
    if (signal === '') throw new Failure('interrupted');
  },
};
