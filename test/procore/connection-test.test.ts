import { join } from 'node:path';
import t from 'tap';
import { asCompanyId, asProjectId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import { Connections } from '#src/connections/store.js';
import { testConnection } from '#src/procore/connection-test.js';
import { Session } from '#src/procore/session.js';
import { scratch } from '../support/net-server.js';
import { simulator } from '../support/simulator.js';

t.test('the test says who, and which of app, project and tool is missing', async (t) => {
  const server = await simulator(t, { items: 1, hourly: 3600, spike: 1000 });
  const { ready } = server;
  const project = ready.projects[0]!.id;
  const state = join(scratch(t), 'state');
  const connections = new Connections(state);
  const test = async (more: { company?: number; project?: number } = {}) => {
    const { company = ready.company_id, project: bound } = more;
    const connection = connections.add(
      {
        apiUrl: ready.api,
        loginUrl: ready.login,
        clientId: ready.client_id,
        grant: 'client-credentials',
        company: asCompanyId(company),
        ...(bound === undefined ? {} : { project: asProjectId(bound) }),
      },
      new Secret(ready.client_secret),
    );
    const session = new Session(connection, { stateFolder: state, secrets: connections.secrets, log: silentLog });
    try {
      return await testConnection(connection, session.client, { class: 'interactive' });
    } finally {
      await session.close();
      connections.remove(connection.id);
    }
  };
  const company = { id: ready.company_id, name: String, why: undefined };
  t.match(await test(), {
    account: { name: String },
    companies: [company],
    projects: [{ id: project, access: 'write' }],
  });
  t.match(await test({ project }), { projects: [{ id: project, access: 'write', missing: undefined }] });

  const rows: [Record<string, string>, { project?: number }, object][] = [
    [{ 'project-access': 'read' }, {}, { projects: [{ access: 'read', why: undefined }] }],
    [{ 'project-access': 'tool-off' }, {}, { projects: [{ access: 'none', missing: 'tool', why: /Documents tool/ }] }],
    [{ 'project-access': 'tool-off' }, { project }, { projects: [{ access: 'none', missing: 'tool' }] }],
    [{ 'project-access': 'not-permitted' }, {}, { projects: [] }],
    [{ 'project-access': 'not-permitted' }, { project }, { code: 'project-not-permitted', line: /App Management/ }],
    [{ 'app-connected': 'no' }, {}, { code: 'app-not-installed', line: /not connected to company \d+/ }],
    [{ 'app-connected': 'no' }, { project }, { code: 'app-not-installed' }],
    [{ 'other-projects': 'present' }, {}, { projects: [{ access: 'write' }, { access: 'none', missing: 'tool' }] }],
    [{}, { project: 77 }, { code: 'no-such-project' }],
  ];
  for (const [switches, more, expected] of rows) {
    const before = await server.admin.switches();
    await server.admin.switches(switches);
    const result: unknown = await test(more).catch((error: unknown) => error);
    t.match(result, expected, JSON.stringify([switches, more]));
    await server.admin.switches(Object.fromEntries(Object.keys(switches).map((key) => [key, before[key]!])));
  }
});
