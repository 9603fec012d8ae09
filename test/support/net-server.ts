import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { systemClock } from '#src/base/clock.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import { Budget, type BudgetOptions } from '#src/budget/budget.js';
import type { TokenSource } from '#src/connections/token-source.js';
import { ProcoreClient, type ProcoreClientOptions } from '#src/procore/client.js';

export interface FakeServer {
  readonly url: string;
  readonly host: string;
  readonly requests: IncomingMessage[];
}

/** A server that answers as the test says; it closes with the test. */
export async function fakeServer(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse, n: number) => void,
): Promise<FakeServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}`, host, requests };
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** A folder that goes with the test; `inMemory` where only speed matters, not the disk. */
export function scratch(t: Pick<Test, 'teardown'>, inMemory = false): string {
  const parent = inMemory && existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const path = mkdtempSync(join(parent, 'procorefs-net-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Tokens `t1`, `t2`, …: the next one after each refusal. */
export class CountedTokens implements TokenSource {
  #n = 1;
  #current = new Secret('t1');
  async token(): Promise<Secret> {
    return this.#current;
  }
  invalidate(refused: Secret): void {
    if (refused === this.#current) this.#current = new Secret(`t${++this.#n}`);
  }
}

export function testBudget(t: Test, options: Partial<BudgetOptions> = {}): Budget {
  const budget = new Budget({ path: join(scratch(t), 'budget.db'), log: silentLog, ...options });
  t.teardown(() => budget.close());
  return budget;
}

export function testClient(t: Test, apiUrl: string, options: Partial<ProcoreClientOptions> = {}): ProcoreClient {
  const client = new ProcoreClient({
    apiUrl,
    name: 'Test',
    companyId: undefined,
    tokens: new CountedTokens(),
    budget: options.budget ?? testBudget(t),
    log: silentLog,
    // Retries wait, but a test need not.
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) },
    ...options,
  });
  t.teardown(() => client.close());
  return client;
}
