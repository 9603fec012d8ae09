import type { Command, FlagRow } from '../command.js';

const secretFlag: FlagRow = {
  flags: '--client-secret-file <F>',
  help: 'file with the client secret; - reads standard input, prompt asks at the terminal',
};

const passwordFlag: FlagRow = {
  flags: '--password-file <F>',
  help: "file with the password of a target's account; - reads standard input, prompt asks at the terminal",
};

const signInFlags: readonly FlagRow[] = [
  { flags: '--no-browser', help: 'sign in on another machine: shows an address, and asks for the code it gives' },
  { flags: '--port <N>', help: 'port of this machine that the browser comes back to (default: any that is free)' },
  { flags: '--timeout <S>', help: 'seconds to wait for the sign-in (default: 600)' },
];

// The code of a command is loaded when it runs, since it imports the whole client.

const add: Command = {
  name: 'connections add',
  arguments: '[name]',
  summary: 'add an account at Procore, or a target (folder, share, server, cloud), and test it',
  flags: [
    { flags: '--client-id <ID>', help: "the app's client id (default: this installation's default client)" },
    secretFlag,
    { flags: '--domain <LOGIN_URL>', help: 'login or API host (default: production)' },
    { flags: '--api <URL>', help: 'API host, where it cannot be told from the domain' },
    {
      flags: '--grant <GRANT>',
      help: 'client-credentials (a service account, the default) or authorization-code (a person signs in)',
    },
    { flags: '--company <ID>', help: 'the company; a service account needs it' },
    { flags: '--project <ID>', help: 'bind the connection to one project' },
    { flags: '--max-calls-per-hour <N>', help: 'leave calls to other programs of the same client id' },
    {
      flags: '--platform <PLATFORM>',
      help: 'procore (the default), fs, nfs (a mounted share), smb, rsync, or a type that rclone knows: s3, webdav, sftp, onedrive, …',
    },
    {
      flags: '--uri <URI>',
      help: 'of a target: a folder, //server/share/folder, host:/folder, an address, bucket/folder',
    },
    { flags: '--username <NAME>', help: "of a target's account" },
    passwordFlag,
    { flags: '--option <K=V>', help: 'more of what the platform takes, as often as needed', repeat: true },
    { flags: '--secret-option <K=FILE>', help: 'the same for a secret, read from a file or - or prompt', repeat: true },
    ...signInFlags,
  ],
  run: async (context) => (await import('./add.js')).add(context),
};

const test: Command = {
  name: 'connections test',
  arguments: '<name>',
  summary:
    'sign in, and say who, which company, which projects; of a target: what it can hold and whether it may be written',
  options: ['budget_wait'],
  run: async (context) => (await import('./test.js')).test(context),
};

const list: Command = {
  name: 'connections list',
  summary: 'the connections of this state folder',
  run: async (context) => (await import('./show.js')).listConnections(context),
};

const show: Command = {
  name: 'connections show',
  arguments: '<name>',
  summary: 'one connection, without its secrets',
  run: async (context) => (await import('./show.js')).show(context),
};

const login: Command = {
  name: 'connections login',
  arguments: '<name>',
  summary: 'sign in again, or with a new client secret; mounts and jobs go on with it',
  flags: [secretFlag, passwordFlag, ...signInFlags],
  run: async (context) => (await import('./login.js')).login(context),
};

const remove: Command = {
  name: 'connections remove',
  arguments: '<name>',
  summary: 'end the sign-in at the server, and forget the connection and its secrets',
  run: async (context) => (await import('./remove.js')).removeConnection(context),
};

const disable: Command = {
  name: 'connections disable',
  arguments: '<name>',
  summary: 'let no job run with it, and mount nothing anew',
  run: async (context) => (await import('./remove.js')).setDisabled(context, true),
};

const enable: Command = {
  name: 'connections enable',
  arguments: '<name>',
  summary: 'the opposite of disable',
  run: async (context) => (await import('./remove.js')).setDisabled(context, false),
};

export const connectionCommands: readonly Command[] = [add, list, show, test, login, disable, enable, remove];

export const projectsCommand: Command = {
  name: 'projects',
  arguments: '<connection>',
  summary: 'companies and projects that the connection can see',
  run: async (context) => (await import('./test.js')).showProjects(context),
};
