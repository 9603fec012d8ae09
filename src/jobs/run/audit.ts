import type { AuditLevel } from '../definition/words.js';

/** One line an item, whose row says the same, would double what a first run writes: at `info` only what was wrong. */
export const isAudited = (wanted: AuditLevel, level: 'info' | 'warn'): boolean =>
  level === 'warn' ? wanted !== 'none' && wanted !== 'error' : wanted === 'trace' || wanted === 'debug';
