import type { Ready } from '#src/simulator/simulator.js';

/** Reads the API as a script with the same credentials would; the calls count. */
export class Api {
  readonly #ready: Ready;
  #token: string | undefined;

  constructor(ready: Ready) {
    this.#ready = ready;
  }

  async get(path: string): Promise<Response> {
    this.#token ??= await this.#signIn();
    const response = await fetch(`${this.#ready.api}${path}`, {
      headers: { authorization: `Bearer ${this.#token}`, 'procore-company-id': String(this.#ready.company_id) },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  /** One page of the flat index of the first project, with file URLs. */
  async page(page: number, rows = 2000, filter = ''): Promise<readonly IndexRow[]> {
    const query = `view=extended&page=${page}&per_page=${rows}&sort=updated_at${filter}`;
    const path = `/rest/v1.0/projects/${this.#ready.projects[0]!.id}/documents?${query}`;
    return (await (await this.get(path)).json()) as IndexRow[];
  }

  /** Names and download URLs of all files of the project. */
  async files(): Promise<readonly { readonly name: string; readonly url: string }[]> {
    const files: { name: string; url: string }[] = [];
    for (let page = 1; ; page++) {
      const rows = await this.page(page, 2000, '&filters[document_type]=file');
      for (const row of rows) {
        const url = row.file?.current_version?.url;
        if (url) files.push({ name: row.name, url });
      }
      if (rows.length < 2000) return files;
    }
  }

  async #signIn(): Promise<string> {
    const response = await fetch(`${this.#ready.login}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        grant_type: 'client_credentials',
        client_id: this.#ready.client_id,
        client_secret: this.#ready.client_secret,
      }),
    });
    if (!response.ok) throw new Error(`sign-in: ${response.status}`);
    return ((await response.json()) as { access_token: string }).access_token;
  }
}

export interface IndexRow {
  readonly name: string;
  readonly file?: { readonly current_version?: { readonly url?: string } | null } | null;
}
