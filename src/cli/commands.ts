import type { Command } from './command.js';

/**
 * All commands, by their first word, in the order of the help. A module is loaded when one of its commands is called:
 * loading all of them takes longer than most commands run.
 */
const commands: Readonly<Record<string, () => Promise<Command | readonly Command[]>>> = {
  demo: async () => (await import('./demo/demo.js')).demo,
  simulate: async () => (await import('./simulate.js')).simulate,
  setup: async () => (await import('./setup/setup.js')).setup,
  connections: async () => (await import('./connections/index.js')).connectionCommands,
  projects: async () => (await import('./connections/index.js')).projectsCommand,
  mount: async () => (await import('./mount.js')).mount,
  umount: async () => (await import('./umount.js')).umount,
  status: async () => (await import('./status.js')).status,
  pin: async () => (await import('./pin.js')).pin,
  unpin: async () => (await import('./pin.js')).unpin,
  refresh: async () => (await import('./refresh.js')).refreshCommand,
  restore: async () => (await import('./restore.js')).restoreCommand,
  check: async () => (await import('./check.js')).check,
  analyze: async () => (await import('./analyze.js')).analyzeCommand,
  compare: async () => (await import('./compare.js')).compare,
  drain: async () => (await import('./uploads.js')).drainCommand,
  uploads: async () => (await import('./uploads.js')).uploads,
  jobs: async () => (await import('./jobs/index.js')).jobCommands,
  serve: async () => (await import('./serve.js')).serve,
  users: async () => (await import('./users.js')).userCommands,
  audit: async () => (await import('./audit.js')).audit,
  health: async () => (await import('./health.js')).health,
  fsck: async () => (await import('./fsck.js')).fsck,
  doctor: async () => (await import('./doctor.js')).doctor,
  install: async () => (await import('./install.js')).install,
  uninstall: async () => (await import('./install.js')).uninstall,
  'mount-helper': async () => (await import('./mount-helper.js')).mountHelper,
  daemon: async () => (await import('./daemon.js')).daemon,
};

/** The commands that begin with the first word; all commands if none does, as for help. */
export async function commandsFor(word = ''): Promise<readonly Command[]> {
  const wanted = Object.hasOwn(commands, word) ? [commands[word]!] : Object.values(commands);
  return (await Promise.all(wanted.map((load) => load()))).flat();
}
