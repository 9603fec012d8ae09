import { check } from './check.js';
import type { Command } from './command.js';
import { compare } from './compare.js';
import { connectionCommands, projects } from './connections/index.js';
import { daemon } from './daemon.js';
import { demo } from './demo/demo.js';
import { doctor } from './doctor.js';
import { install, uninstall } from './install.js';
import { jobCommands } from './jobs/index.js';
import { mount } from './mount.js';
import { mountHelper } from './mount-helper.js';
import { refresh } from './refresh.js';
import { simulate } from './simulate.js';
import { status } from './status.js';
import { umount } from './umount.js';
import { drain, uploads } from './uploads.js';

/** The command line, in the order of its help. */
export const commands: readonly Command[] = [
  demo,
  simulate,
  ...connectionCommands,
  projects,
  mount,
  umount,
  status,
  refresh,
  check,
  compare,
  drain,
  uploads,
  ...jobCommands,
  doctor,
  install,
  uninstall,
  mountHelper,
  daemon,
];
