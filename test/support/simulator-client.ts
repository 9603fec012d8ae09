import type { RunningSimulator } from './simulator.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: replies of any shape are looked into.
  readonly body: any;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON, unless it is a FormData. */
  readonly body?: unknown;
}

/** A client that does nothing by itself: for tests of the simulator. */
export class SimulatorClient {
  readonly simulator: RunningSimulator;
  token = '';
  readonly project: number;

  constructor(simulator: RunningSimulator) {
    this.simulator = simulator;
    this.project = simulator.ready.projects[0]!.id;
  }

  static async signedIn(simulator: RunningSimulator): Promise<SimulatorClient> {
    const client = new SimulatorClient(simulator);
    client.token = (await client.grant({ grant_type: 'client_credentials' })).body.access_token;
    return client;
  }

  async grant(fields: Record<string, string>): Promise<Answer> {
    const { login, client_id, client_secret } = this.simulator.ready;
    const body = new URLSearchParams({ client_id, client_secret, ...fields });
    return answer(await fetch(`${login}/oauth/token`, { method: 'POST', body }));
  }

  /** `path` after the API's address; `{project}` stands for the project's id. */
  async ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
    const isForm = body instanceof FormData;
    return answer(
      await fetch(this.simulator.ready.api + path.replaceAll('{project}', String(this.project)), {
        method,
        headers: {
          authorization: `Bearer ${this.token}`,
          'procore-company-id': String(this.simulator.ready.company_id),
          ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      }),
    );
  }

  folders(id?: number | string): Promise<Answer> {
    return this.ask(`/rest/v1.0/folders${id === undefined ? '' : `/${id}`}?project_id={project}`);
  }

  file(id: number): Promise<Answer> {
    return this.ask(`/rest/v1.0/files/${id}?project_id={project}`);
  }

  documents(query = ''): Promise<Answer> {
    return this.ask(`/rest/v1.0/projects/{project}/documents?${query}`);
  }
}

async function answer(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}
