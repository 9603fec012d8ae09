import { AuditLog } from '../server/access/audit.js';
import { openServerDatabase } from '../server/access/database.js';
import type { Command } from './command.js';
import { numberFlag } from './flags.js';
import { columns } from './format.js';

/** Default number of lines. */
const LINES = 100;

export const audit: Command = {
  name: 'audit',
  summary: 'who changed what through `serve` or `users`, from where, and what came of it; the newest last',
  flags: [
    { flags: '--last <COUNT>', help: `so many lines (${LINES})` },
    { flags: '--grep <TEXT>', help: 'only lines that have the text in them' },
  ],
  async run(context) {
    const count = numberFlag(context, 'last') ?? LINES;
    const database = openServerDatabase(context.state().path);
    try {
      const rows = new AuditLog(database).page(0, count, context.flag('grep')).rows.toReversed();
      context.show(rows, () =>
        rows.length === 0
          ? 'nothing was done yet'
          : columns([
              ['TIME (UTC)', 'WHO', 'FROM', 'WHAT', 'RESULT'],
              ...rows.map(({ time, who, from, what, result }) => [timeOf(time), who, from, what, result]),
            ]),
      );
    } finally {
      database.close();
    }
  },
};

const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
