import type { Command } from './command.js';

/** What these commands do is loaded when one of them runs: it brings the whole client along. */
const work = () => import('./connections-work.js');

const add: Command = {
  name: 'connections add',
  arguments: '[name]',
  summary: 'add an account at Procore, and test it',
  flags: [
    { flags: '--client-id <ID>', help: "the app's client id, from the developer portal" },
    { flags: '--client-secret-file <F>', help: 'file with the client secret; - reads standard input' },
    { flags: '--domain <LOGIN_URL>', help: 'login or API host (default: production)' },
    { flags: '--api <URL>', help: 'API host, where it cannot be told from the domain' },
    { flags: '--company <ID>', help: 'the company; a service account needs it' },
    { flags: '--project <ID>', help: 'bind the connection to one project' },
    { flags: '--max-calls-per-hour <N>', help: 'leave calls to other programs of the same client id' },
  ],
  run: async (context) => (await work()).add(context),
};

const test: Command = {
  name: 'connections test',
  arguments: '<name>',
  summary: 'sign in, and say who, which company, which projects',
  options: ['budget_wait'],
  run: async (context) => (await work()).test(context),
};

const list: Command = {
  name: 'connections list',
  summary: 'the connections of this state folder',
  run: async (context) => (await work()).list(context),
};

const show: Command = {
  name: 'connections show',
  arguments: '<name>',
  summary: 'one connection, without its secrets',
  run: async (context) => (await work()).show(context),
};

const remove: Command = {
  name: 'connections remove',
  arguments: '<name>',
  summary: 'forget a connection and its secrets',
  run: async (context) => (await work()).remove(context),
};

export const connectionCommands: readonly Command[] = [add, list, show, test, remove];

export const projects: Command = {
  name: 'projects',
  arguments: '<connection>',
  summary: 'companies and projects that the connection can see',
  run: async (context) => (await work()).projects(context),
};
