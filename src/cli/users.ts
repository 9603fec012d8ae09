import { userInfo } from 'node:os';
import { Failure } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { Role } from '../server/access/account.js';
import { ROLES } from '../server/access/account.js';
import { AuditLog } from '../server/access/audit.js';
import { openServerDatabase } from '../server/access/database.js';
import { Users } from '../server/access/users.js';
import type { Command, CommandContext } from './command.js';
import { columns } from './format.js';
import { askHidden, StandardInput } from './terminal.js';

async function withUsers<T>(
  context: CommandContext,
  use: (users: Users, tell: (what: string) => void) => Promise<T> | T,
): Promise<T> {
  const database = openServerDatabase(context.state().path);
  const audit = new AuditLog(database);
  const tell = (what: string): void => audit.add({ who: whoHere(), from: 'command line', what, result: 'done' });
  try {
    return await use(new Users(database), tell);
  } finally {
    database.close();
  }
}

/** Name of the user that runs this command, from the operating system. */
function whoHere(): string {
  const uid = process.getuid?.() ?? -1;
  let name = 'unnamed';
  try {
    name = userInfo().username;
  } catch {
    // The user has no entry in /etc/passwd.
  }
  return `user ${name}(${uid}) on this machine`;
}

const add: Command = {
  name: 'users add',
  arguments: '<name>',
  summary: 'somebody who may sign in to `serve`; asks for the password, or reads it from standard input',
  flags: [{ flags: '--role <ROLE>', help: `${ROLES.join(' or ')}: look, or change as well` }],
  run: (context) =>
    withUsers(context, async (users, tell) => {
      const role = ROLES.find((one) => one === context.flag('role'));
      if (!role) throw new Failure('usage', { what: `--role is one of ${ROLES.join(', ')}` });
      const name = context.argument(0);
      if (users.find(name)) throw new Failure('user-exists', { name });
      const user = await users.add(name, role, await newPassword());
      tell(`users add ${name} (${role})`);
      context.show(user, () => `${name} may sign in: ${described(role)}`);
    }),
};

const described = (role: Role): string => (role === 'read' ? 'to look' : 'to look and to change');

async function newPassword(): Promise<Secret> {
  if (process.stdin.isTTY) {
    const password = await askHidden('password: ');
    if (!password.equals(await askHidden('again: '))) throw new Failure('usage', { what: 'the two differ' });
    return password;
  }
  const input = new StandardInput();
  try {
    return new Secret((await input.line()) ?? '');
  } finally {
    input.close();
  }
}

const list: Command = {
  name: 'users list',
  summary: 'who may sign in to `serve`',
  run: (context) =>
    withUsers(context, (users) => {
      const all = users.list();
      context.show(all, () =>
        all.length === 0
          ? 'no users; add one with `procorefs users add NAME --role manage`'
          : columns([['NAME', 'ROLE'], ...all.map(({ name, role }) => [name, role])]),
      );
    }),
};

const remove: Command = {
  name: 'users remove',
  arguments: '<name>',
  summary: 'end a user with all sign-ins',
  run: (context) =>
    withUsers(context, (users, tell) => {
      const name = context.argument(0);
      const wasLast = users.isLastManager(name);
      users.remove(name, { evenLast: true });
      tell(`users remove ${name}`);
      if (wasLast)
        process.stderr.write('procorefs: nobody may change anything now; `procorefs users add NAME --role manage`\n');
      context.show({ removed: name }, () => `removed ${name}`);
    }),
};

export const userCommands: readonly Command[] = [add, list, remove];
