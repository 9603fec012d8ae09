import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bytesBy } from './random.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

type Reply = (status: number, value: unknown) => unknown;

interface Stored {
  readonly bytes: Buffer;
  readonly updated: string;
}

/**
 * A cloud as Google Cloud Storage is one: people sign in by OAuth (authorization code, then refresh tokens), and the
 * objects of one bucket are behind the access token. As much of both as rclone asks for.
 */
export class CloudServer {
  readonly client = { id: 'a-client', secret: bytesBy(0, 8).toString('hex') };
  readonly objects = new Map<string, Stored>();
  /** What was granted, in order. */
  readonly grants: string[] = [];
  /** Seconds that an access token holds; what rclone keeps for less than ten it renews at once. */
  lifetime = 3600;
  /** Whether the person who is asked says yes. */
  isAllowed = true;
  #count = 0;
  readonly #codes = new Set<string>();
  readonly #refresh = new Set<string>();
  readonly #access = new Set<string>();
  #url = '';

  static async start(t: Teardown): Promise<CloudServer> {
    const cloud = new CloudServer();
    const server = createServer((request, response) => void cloud.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cloud.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    return cloud;
  }

  /** What tells rclone to go here instead of to the provider. */
  get options(): Readonly<Record<string, string>> {
    return {
      client_id: this.client.id,
      auth_url: `${this.#url}/authorize`,
      token_url: `${this.#url}/token`,
      endpoint: `${this.#url}/storage/v1/`,
      project_number: '1',
      no_check_bucket: 'true',
    };
  }

  /** The account takes back what it has granted. */
  revoke(): void {
    this.#access.clear();
    this.#refresh.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.#url);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const json: Reply = (status, value) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (url.pathname === '/authorize') {
      const code = this.#fresh();
      const back = new URL(url.searchParams.get('redirect_uri')!);
      if (this.isAllowed) {
        this.#codes.add(code);
        back.searchParams.set('code', code);
      } else back.searchParams.set('error', 'access_denied');
      back.searchParams.set('state', url.searchParams.get('state') ?? '');
      response.writeHead(302, { location: back.href }).end();
    } else if (url.pathname === '/token') this.#token(request, new URLSearchParams(body.toString()), json);
    else if (!this.#access.has((request.headers.authorization ?? '').replace(/^Bearer /, '')))
      json(401, { error: { code: 401, message: 'Invalid Credentials' } });
    else this.#object(request.method!, url, request.headers['content-type'] ?? '', body, response, json);
  }

  #fresh(): string {
    return bytesBy(++this.#count, 8).toString('hex');
  }

  #token(request: IncomingMessage, form: URLSearchParams, json: Reply): unknown {
    const basic = /^Basic (.*)$/.exec(request.headers.authorization ?? '')?.[1];
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64').toString().split(':')
      : [form.get('client_id'), form.get('client_secret')];
    const grant = form.get('grant_type') ?? '';
    const isGood =
      id === this.client.id &&
      secret === this.client.secret &&
      (grant === 'authorization_code'
        ? this.#codes.delete(form.get('code') ?? '')
        : this.#refresh.has(form.get('refresh_token') ?? ''));
    if (!isGood) return json(400, { error: 'invalid_grant' });
    this.grants.push(grant);
    const [access_token, refresh_token] = [this.#fresh(), this.#fresh()];
    this.#access.add(access_token);
    if (grant === 'authorization_code') this.#refresh.add(refresh_token);
    return json(200, {
      access_token,
      token_type: 'Bearer',
      expires_in: this.lifetime,
      ...(grant === 'authorization_code' ? { refresh_token } : {}),
    });
  }

  #object(method: string, url: URL, type: string, body: Buffer, response: ServerResponse, json: Reply): unknown {
    const [, bucket, name] = /^\/(?:upload\/)?storage\/v1\/b\/([^/]+)\/o(?:\/(.*))?$/.exec(url.pathname) ?? [];
    if (bucket === undefined) return json(200, { name: 'bucket' });
    if (method === 'POST' && name === undefined) {
      const boundary = /boundary=([^;]+)/.exec(type)![1]!.replaceAll('"', '');
      const [, head, content] = body.toString('latin1').split(`--${boundary}`);
      const after = (part: string): string => part.slice(part.indexOf('\r\n\r\n') + 4, -2);
      const named = (JSON.parse(after(head!)) as { name: string }).name;
      this.objects.set(named, { bytes: Buffer.from(after(content!), 'latin1'), updated: new Date().toISOString() });
      return json(200, this.#described(named));
    }
    if (name === undefined) return json(200, this.#listed(url.searchParams));
    const wanted = decodeURIComponent(name);
    const found = this.objects.get(wanted);
    if (!found) return json(404, { error: { code: 404, message: 'Not Found' } });
    if (method === 'DELETE') {
      this.objects.delete(wanted);
      return response.writeHead(204).end();
    }
    if (url.searchParams.get('alt') === 'media') return response.writeHead(200).end(found.bytes);
    return json(200, this.#described(wanted));
  }

  #listed(query: URLSearchParams) {
    const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
    const items: unknown[] = [];
    const prefixes = new Set<string>();
    for (const name of [...this.objects.keys()].filter((one) => one.startsWith(prefix)).sort()) {
      const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
      if (cut < 0) items.push(this.#described(name));
      else prefixes.add(name.slice(0, cut + delimiter.length));
    }
    return { items, prefixes: [...prefixes] };
  }

  #described(name: string) {
    const { bytes, updated } = this.objects.get(name)!;
    return {
      name,
      bucket: 'bucket',
      size: String(bytes.length),
      md5Hash: createHash('md5').update(bytes).digest('base64'),
      updated,
      timeCreated: updated,
      contentType: 'application/octet-stream',
      mediaLink: `${this.#url}/storage/v1/b/bucket/o/${encodeURIComponent(name)}?alt=media`,
    };
  }
}
