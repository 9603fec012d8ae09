import { optionTable, parseSimulatorOptions } from '../simulator/options.js';
import type { Command } from './command.js';
import { columns } from './format.js';

export const simulate: Command = {
  name: 'simulate',
  arguments: '[options...]',
  summary: 'a local Procore with generated or real files; prints one JSON line when ready',
  passThrough: true,
  async run(context) {
    if (context.args.includes('--help') || context.args.includes('-h')) return context.print(help());
    const { startSimulator } = await import('../simulator/simulator.js');
    const simulator = await startSimulator(parseSimulatorOptions(context.args), (error) => console.error(error));
    context.print(JSON.stringify(simulator.ready));
    await new Promise<void>((resolve) => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => resolve());
    });
    await simulator.close();
  },
};

function help(): string {
  const rows = optionTable.map((row) => [
    `  ${row.flag} ${row.value}`,
    `${row.help}${row.default === undefined ? '' : ` (default: ${row.default})`}`,
  ]);
  return `Usage: procorefs simulate [options]\n\nOptions:\n${columns(rows)}`;
}
