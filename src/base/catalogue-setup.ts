import type { CatalogueRow } from './catalogue-row.js';

/** Failures of commands that run other commands. */
export const setupRows = {
  'setup-failed': {
    errno: 'EIO',
    http: 500,
    level: 'error',
    what: 'setup stopped at `{command}`',
    remedy: 'correct the cause and run `procorefs setup` again: finished steps are kept',
  },
  'demo-failed': {
    errno: 'EIO',
    http: 500,
    level: 'error',
    what: 'the demo stopped at `{command}`',
    remedy: 'run `procorefs doctor`',
  },
} as const satisfies Record<string, CatalogueRow>;
