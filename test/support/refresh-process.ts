import { systemClock } from '#src/base/clock.js';
import { failureToJson } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import { Connections } from '#src/connections/store.js';
import { openTokens } from '#src/connections/tokens.js';

/** Runs in a child process: holds a connection's tokens; a message names one that was refused, the answer another. */
const [state, name] = process.argv.slice(2);
const connections = new Connections(state!);
const tokens = openTokens(connections.get(name!), connections.secrets, systemClock, silentLog);

process.once('disconnect', () => process.exit(0));
process.on('message', async (refused) => {
  tokens.invalidate(new Secret(String(refused)));
  try {
    process.send?.({ token: (await tokens.token()).reveal() });
  } catch (error) {
    process.send?.({ failure: failureToJson(error) });
  }
});
process.send?.('ready');
