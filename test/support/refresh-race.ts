import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#src/base/clock.js';
import { type FailureJson, failureFromJson } from '#src/base/errors.js';
import { Secret } from '#src/base/secret.js';
import { replaceTokens } from '#src/connections/sign-out.js';
import { Connections } from '#src/connections/store.js';
import { oauthClient } from '#src/connections/tokens.js';
import { randomBy } from './random.js';
import { loginProxy, signedIn } from './sign-in.js';
import { simulator } from './simulator.js';

type Answer = { readonly token: string } | { readonly failure: FailureJson };

export interface RefreshRace {
  readonly rounds: number;
  /** Rounds in which both processes ended with the same new token. */
  readonly renewed: number;
  /** Rounds whose reply was lost, or whose process was killed: both ended signed out, and were signed in again. */
  readonly signedOut: number;
  readonly killed: number;
  /** Rounds that the server refused for a moment. */
  readonly unavailable: number;
  /** Refresh tokens that reached the server more than once. */
  readonly usedTwice: number;
  /** Rounds that ended in any other way, in words. */
  readonly wrong: readonly string[];
}

/**
 * Two processes find the same access token refused at the same instant, `rounds` times: mostly all goes well, sometimes
 * the server's reply is lost, the server is overloaded, or the process that refreshes is killed.
 */
export async function refreshRace(
  t: { teardown(cleanup: () => unknown): unknown },
  rounds: number,
  seed: number,
): Promise<RefreshRace> {
  const server = await simulator(t, { items: 1 });
  const proxy = await loginProxy(t, server.ready.login);
  const state = mkdtempSync(join(tmpdir(), 'procorefs-race-'));
  t.teardown(() => rmSync(state, { recursive: true, force: true, maxRetries: 3 }));
  const connections = new Connections(state);
  const connection = connections.add(
    {
      name: 'Race',
      apiUrl: server.ready.api,
      loginUrl: proxy.url,
      clientId: server.ready.client_id,
      grant: 'authorization-code',
    },
    new Secret(server.ready.client_secret),
  );
  const client = oauthClient(connection, connections.secrets);
  const login = async () => replaceTokens(connection, client, connections.secrets, await signedIn(client), systemClock);
  await login();
  const random = randomBy(seed);
  const pair = [await racer(t, state), await racer(t, state)];
  const count = { renewed: 0, signedOut: 0, killed: 0, unavailable: 0 };
  const wrong: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const draw = random();
    const lost = draw < 0.15;
    const kill = !lost && draw < 0.22;
    const refused = !lost && !kill && draw < 0.32;
    proxy.fates.length = 0;
    if (lost || kill) proxy.fates.push('lose-reply');
    if (refused) proxy.fates.push({ status: 503 });
    const refusedToken = connections.secrets.tokens(connection.id)!.access.reveal();
    const asked = pair.map((child) => ask(child, refusedToken));
    if (kill) {
      const before = proxy.grants.length;
      while (proxy.grants.length === before) await systemClock.sleep(1);
      // One of the two is at the server now; whichever it is, the other one takes over its lock.
      const victim = random() < 0.5 ? 0 : 1;
      pair[victim]!.kill('SIGKILL');
      pair[victim] = await racer(t, state);
      count.killed++;
      asked.splice(victim, 1);
    }
    const answers = await Promise.all(asked);
    const tokens = new Set(answers.map((one) => ('token' in one ? one.token : one.failure.code)));
    if (refused) count.unavailable++;
    if (lost || kill) {
      const lines = answers.map((one) => ('failure' in one ? failureFromJson(one.failure).line : 'signed in'));
      if (lines.every((line) => /connections login Race/.test(line))) count.signedOut++;
      else wrong.push(`round ${round}: ${lines.join(' / ')}`);
      await login();
    } else if (tokens.size === 1 && answers.every((one) => 'token' in one)) count.renewed++;
    else wrong.push(`round ${round}: ${[...tokens].join(' / ')}`);
  }
  const usedTwice = proxy.presented.length - new Set(proxy.presented).size;
  return { rounds, ...count, usedTwice, wrong };
}

async function racer(t: { teardown(cleanup: () => unknown): unknown }, state: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./refresh-process.js', import.meta.url));
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = fork(script, [state, 'Race'], { execArgv: [], env });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', () => reject(new Error('a process of the race ended')));
  });
  return child;
}

function ask(child: ChildProcess, refused: string): Promise<Answer> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as Answer));
    child.send(refused);
  });
}
