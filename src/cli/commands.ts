import type { Command } from './command.js';

/** Commands that begin with the same word, in a module that is loaded only when one of them is called. */
interface Family {
  readonly words: readonly string[];
  load(): Promise<readonly Command[]>;
}

/** All commands, in the order of the help. Loading all modules takes longer than most commands run. */
const families: readonly Family[] = [
  { words: ['demo'], load: async () => [(await import('./demo/demo.js')).demo] },
  { words: ['simulate'], load: async () => [(await import('./simulate.js')).simulate] },
  { words: ['setup'], load: async () => [(await import('./setup/setup.js')).setup] },
  { words: ['connections'], load: async () => (await import('./connections/index.js')).connectionCommands },
  { words: ['projects'], load: async () => [(await import('./connections/index.js')).projectsCommand] },
  { words: ['mount'], load: async () => [(await import('./mount.js')).mount] },
  { words: ['umount'], load: async () => [(await import('./umount.js')).umount] },
  { words: ['status'], load: async () => [(await import('./status.js')).status] },
  {
    words: ['pin', 'unpin'],
    load: async () => {
      const { pin, unpin } = await import('./pin.js');
      return [pin, unpin];
    },
  },
  { words: ['refresh'], load: async () => [(await import('./refresh.js')).refreshCommand] },
  { words: ['restore'], load: async () => [(await import('./restore.js')).restoreCommand] },
  { words: ['check'], load: async () => [(await import('./check.js')).check] },
  { words: ['analyze'], load: async () => [(await import('./analyze.js')).analyzeCommand] },
  { words: ['compare'], load: async () => [(await import('./compare.js')).compare] },
  {
    words: ['drain', 'uploads'],
    load: async () => {
      const { drainCommand: drain, uploads } = await import('./uploads.js');
      return [drain, uploads];
    },
  },
  { words: ['jobs'], load: async () => (await import('./jobs/index.js')).jobCommands },
  { words: ['serve'], load: async () => [(await import('./serve.js')).serve] },
  { words: ['users'], load: async () => (await import('./users.js')).userCommands },
  { words: ['audit'], load: async () => [(await import('./audit.js')).audit] },
  { words: ['health'], load: async () => [(await import('./health.js')).health] },
  { words: ['fsck'], load: async () => [(await import('./fsck.js')).fsck] },
  { words: ['doctor'], load: async () => [(await import('./doctor.js')).doctor] },
  {
    words: ['install', 'uninstall'],
    load: async () => {
      const { install, uninstall } = await import('./install.js');
      return [install, uninstall];
    },
  },
  { words: ['mount-helper'], load: async () => [(await import('./mount-helper.js')).mountHelper] },
  { words: ['daemon'], load: async () => [(await import('./daemon.js')).daemon] },
];

/** The commands that begin with the first word; all commands if none does, as for help. */
export async function commandsFor(word: string | undefined): Promise<readonly Command[]> {
  const family = families.find(({ words }) => word !== undefined && words.includes(word));
  if (family) return family.load();
  return (await Promise.all(families.map(({ load }) => load()))).flat();
}
