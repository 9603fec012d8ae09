import { accessSync, constants, existsSync } from 'node:fs';
import { Failure } from '../base/errors.js';
import { probeFuse } from '../fuse/probe.js';
import type { Command } from './command.js';
import { columns } from './format.js';

interface Finding {
  readonly name: string;
  readonly value: string;
  /** Set if the finding prevents a mount from working. */
  readonly problem?: true;
}

export const doctor: Command = {
  name: 'doctor',
  summary: 'what this machine has: kernel, /dev/fuse, drivers, state folder; --probe: how an account sees the API',
  options: ['budget_wait'],
  flags: [
    {
      flags: '--probe <CONNECTION>',
      help: 'CONNECTION[:PROJECT]: answer the unknown facts of the API, and keep the answers',
    },
    {
      flags: '--write <FOLDER>',
      help: "with --probe: also what only writing shows, in a folder that is made in the project's FOLDER and deleted",
    },
  ],
  async run(context) {
    const source = context.flag('probe');
    const folder = context.flag('write');
    if (source === undefined && folder !== undefined) throw new Failure('usage', { what: '--write needs --probe' });
    if (source !== undefined) {
      const { doctorProbe } = await import('./doctor-probe.js');
      return await doctorProbe(context, source, folder);
    }
    const fuse = await probeFuse();
    const state = context.statePath();
    const findings: Finding[] = [
      { name: 'kernel', value: fuse.kernel },
      { name: 'node', value: process.version },
      {
        name: '/dev/fuse',
        value: fuse.device.present
          ? `mode ${fuse.device.mode}${fuse.device.usable ? '' : ', not for this user'}`
          : 'missing',
        ...(fuse.device.usable ? {} : { problem: true as const }),
      },
      { name: 'fusermount3', value: fuse.fusermount ?? 'missing (ordinary users need it)' },
      { name: 'allow_other', value: fuse.root || fuse.userAllowOther ? 'allowed' : 'only for root (/etc/fuse.conf)' },
      { name: 'passthrough', value: fuse.passthrough.available ? 'yes' : `no: ${fuse.passthrough.why}` },
      { name: 'fuse-native', value: fuse.fuseNative.available ? 'loads' : `no: ${fuse.fuseNative.why}` },
      {
        name: 'driver',
        value: fuse.driver.name ?? `none: ${'why' in fuse.driver ? fuse.driver.why : ''}`,
        ...(fuse.driver.name ? {} : { problem: true as const }),
      },
      {
        name: 'fstab helper',
        value: existsSync('/sbin/mount.procorefs') ? 'installed' : 'not installed (`procorefs install`)',
      },
      stateFinding(state),
    ];
    context.show({ ...fuse, state, problems: findings.filter((one) => one.problem).map((one) => one.name) }, () =>
      columns(findings.map(({ name, value, problem }) => [problem ? '!' : ' ', name, value])),
    );
    if (findings.some((one) => one.problem)) process.exitCode = 1;
  },
};

function stateFinding(path: string): Finding {
  if (!existsSync(path)) return { name: 'state', value: `${path} (made at the first use)` };
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return { name: 'state', value: path };
  } catch {
    return { name: 'state', value: `${path} cannot be written by this user`, problem: true };
  }
}
