import type { Test } from 'tap';
import { asCompanyId, asProjectId, asRemoteId, type ProjectId, type RemoteId } from '#src/base/ids.js';
import { Secret } from '#src/base/secret.js';
import type { TokenSource } from '#src/connections/token-source.js';
import type { ProcoreClient } from '#src/procore/client.js';
import { Uploads, type UploadsOptions } from '#src/procore/uploads.js';
import { ProcoreWrites } from '#src/procore/writes.js';
import { testBudget, testClient } from './net-server.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from './simulator.js';
import { SimulatorClient } from './simulator-client.js';

export const background = { class: 'background' } as const;

export interface Writing {
  readonly server: RunningSimulator;
  /** Does nothing by itself. */
  readonly raw: SimulatorClient;
  readonly client: ProcoreClient;
  readonly writes: ProcoreWrites;
  /** Uploads of their own, as another process would make them. */
  uploads(options?: UploadsOptions): Uploads;
  readonly project: ProjectId;
  readonly root: RemoteId;
  /** A complete upload, made by hand. */
  upload(content: string): Promise<string>;
}

/** A simulator, and a client that may change its first project. */
export async function writing(t: Test, options: SimulatorSettings = {}): Promise<Writing> {
  const server = await simulator(t, { hourly: 100_000, spike: 100_000, items: 20, oddNames: 'no', ...options });
  const raw = await SimulatorClient.signedIn(server);
  const tokens: TokenSource = {
    async token() {
      return new Secret(raw.token);
    },
    invalidate() {},
  };
  // The windows are not what is tested here: none holds anything up.
  const budget = testBudget(t, { windows: { hour: 3_600_000, spike: 20 } });
  const companyId = asCompanyId(server.ready.company_id);
  const client = testClient(t, server.ready.api, { tokens, budget, companyId });
  const project = asProjectId(raw.project);
  const { id } = await client.rootOnly(project, background);
  const upload = async (content: string): Promise<string> => {
    const body = { response_filename: 'x', size: Buffer.byteLength(content) };
    const announced = await raw.ask('/rest/v1.1/projects/{project}/uploads', { method: 'POST', body });
    const form = new FormData();
    for (const [name, value] of Object.entries(announced.body.fields)) form.append(name, value as string);
    form.append('file', new Blob([content]), 'x');
    await fetch(announced.body.url, { method: 'POST', body: form });
    return announced.body.uuid;
  };
  const uploads = (given?: UploadsOptions): Uploads => {
    const made = new Uploads(client.api, given);
    t.teardown(() => made.close());
    return made;
  };
  const writes = new ProcoreWrites(client.api);
  return { server, raw, client, writes, uploads, project, root: asRemoteId(id), upload };
}
