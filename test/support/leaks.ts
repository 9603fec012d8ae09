import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

export interface HostileApi {
  readonly url: string;
  /** How the next API calls are answered; `pass` when it is empty. */
  readonly next: ('echo-400' | 'echo-401' | 'echo-500' | 'redirect')[];
  /** What came to the other host that redirects point to. */
  readonly elsewhere: string[];
}

/** Stands before the simulator's API: echoes the token in its errors, or sends the call to another host. */
export async function hostileApi(t: Teardown, target: string): Promise<HostileApi> {
  const next: HostileApi['next'] = [];
  const elsewhere: string[] = [];
  const other = createServer((request, response) => {
    elsewhere.push(JSON.stringify([request.method, request.url, request.headers]));
    response.end('{}');
  });
  const server = createServer((request, response) => {
    const how = next.shift();
    if (how === undefined) {
      const { host: _, ...headers } = request.headers;
      const onward = forward(new URL(request.url!, target), { method: request.method!, headers }, (reply) => {
        response.writeHead(reply.statusCode!, reply.headers);
        reply.pipe(response);
      });
      onward.once('error', () => request.socket.destroy());
      request.pipe(onward);
      return;
    }
    if (how === 'redirect') {
      response.writeHead(307, { location: `${addressOf(other)}${request.url}` });
      return void response.end();
    }
    const echo = `you sent ${request.headers.authorization}`;
    response.writeHead(Number(how.slice(5)), { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: { base: [echo] }, message: echo, error: encodeURIComponent(echo) }));
  });
  for (const one of [other, server]) {
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      one.closeAllConnections();
      one.close();
    });
  }
  return { url: addressOf(server), next, elsewhere };
}

const addressOf = (server: ReturnType<typeof createServer>): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** Looks at a process: it begins as a copy of its parent. */
const LOOKS = 20;

/** Notes the words and the environment of every process that runs or is started, until it is stopped. */
export class ProcessWatch {
  /** `pid/cmdline` or `pid/environ` with its content, each once. */
  readonly seen = new Set<string>();
  readonly #timer = setInterval(() => this.look(), 15);
  /** How often each process was looked at that runs; what it was started with stays, once the program is in its place. */
  #looks = new Map<string, number>();

  look(): void {
    const looks = new Map<string, number>();
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
      const before = this.#looks.get(pid) ?? 0;
      looks.set(pid, before + 1);
      if (before < LOOKS) this.#note(pid);
    }
    this.#looks = looks;
  }

  #note(pid: string): void {
    for (const file of ['cmdline', 'environ']) {
      try {
        this.seen.add(`${file}: ${readFileSync(`/proc/${pid}/${file}`, 'utf8')}`);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  stop(): void {
    this.look();
    clearInterval(this.#timer);
  }
}

/** Every file below a folder, except in its `secrets/`, with its bytes as text. */
export function filesOutsideSecrets(state: string): { readonly path: string; readonly text: string }[] {
  return readdirSync(state, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/^secrets\//.test(path) && statSync(join(state, path)).isFile())
    .map((path) => ({ path: relative('.', path), text: readFileSync(join(state, path), 'latin1') }));
}
