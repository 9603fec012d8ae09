import { Failure } from '../base/errors.js';
import { silentLog } from '../base/log.js';
import { Connections } from '../connections/store.js';
import { oauthClient } from '../connections/tokens.js';
import { ClientFacts } from '../procore/probe/client-facts.js';
import { type FactAnswer, type ProbeReport, probe } from '../procore/probe/probe.js';
import { openSession } from '../project/session.js';
import { parseSource } from '../project/source.js';
import type { CommandContext } from './command.js';
import { columns, plural } from './format.js';

/** `doctor --probe CONNECTION[:PROJECT] [--write FOLDER]`: prints the results, and stores them for the client. */
export async function doctorProbe(context: CommandContext, source: string, folder: string | undefined): Promise<void> {
  const named = source.includes(':') ? parseSource(source) : { connection: source, project: '' };
  const state = context.state();
  const connections = new Connections(state.path);
  const connection = connections.get(named.connection);
  const session = openSession(state, connection, context.options(), silentLog);
  const end = new AbortController();
  const interrupt = (): void => end.abort(new Failure('interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  let report: ProbeReport;
  try {
    report = await probe({
      connection,
      signIn: oauthClient(connection, connections.secrets),
      tokens: session.tokens,
      budget: session.budget,
      log: silentLog,
      wanted: { project: named.project === '' ? undefined : named.project, folder },
      signal: end.signal,
    });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, interrupt);
    await session.close();
  }
  const known = report.facts.flatMap(({ name, answer }) => (answer === undefined ? [] : [[name, answer] as const]));
  const facts = new ClientFacts(state.path, connection);
  if (known.length > 0) facts.keep(Object.fromEntries(known));
  const { failure, ...rest } = report;
  context.show({ ...rest, ended: failure instanceof Failure ? failure.line : undefined, kept: facts.path }, () =>
    describe(report, facts),
  );
  if (failure !== undefined) throw failure;
  if (report.cleanUp && !report.cleanUp.deleted) process.exitCode = 1;
}

function describe({ facts, calls, refused, cleanUp }: ProbeReport, kept: ClientFacts): string {
  const known = facts.filter((one) => one.answer !== undefined).length;
  const lines = [
    columns([['FACT', 'ANSWER', 'CALLS', 'WHAT'], ...facts.map((one) => row(one, kept))]),
    `${known} of ${plural(facts.length, 'fact')} answered in ${plural(calls, 'call')}, ${refused} of them refused (4xx); kept in ${kept.path}`,
  ];
  if (cleanUp?.deleted) lines.push(`all was made in "${cleanUp.folder}", which is in the project's Recycle Bin now`);
  if (cleanUp && !cleanUp.deleted)
    lines.push(`the folder "${cleanUp.folder}" could not be deleted: ${cleanUp.why}; delete it in Procore`);
  return lines.join('\n');
}

function row({ name, fact, answer, why, calls }: FactAnswer, kept: ClientFacts): string[] {
  const earlier = answer === undefined ? kept.get(name) : undefined;
  const shown = answer ?? (earlier === undefined ? 'unknown' : `${earlier} (before)`);
  return [name, shown, calls === 0 ? '' : String(calls), answer === undefined ? `${fact}: ${why}` : fact];
}
