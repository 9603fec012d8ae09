import type { Change } from '../mirror/database/changes.js';
import type { Project } from './project.js';

/** Result of a full comparison with the server. */
export interface Compared {
  readonly project: string;
  readonly items: number;
  /** Items that differed from the server, now corrected. */
  readonly repaired: number;
  /** API calls of the comparison; includes other background calls made meanwhile. */
  readonly calls: number;
}

/** Compares the whole mirror of a project with the server and corrects it: 1 call for 2,000 items. */
export async function compareWithServer(project: Project, signal: AbortSignal): Promise<Compared> {
  const { mirror, session } = project;
  const { budget } = session.session;
  const changed = new Set<number>();
  const note = (changes: readonly Change[]): void => {
    for (const { inode } of changes) changed.add(inode);
  };
  const before = budget.status().spent.background;
  mirror.store.events.on('changed', note);
  try {
    await mirror.sweepNow('background', signal);
  } finally {
    mirror.store.events.off('changed', note);
  }
  return {
    project: session.project.name,
    items: mirror.progress.items,
    repaired: changed.size,
    calls: Math.max(0, budget.status().spent.background - before),
  };
}
