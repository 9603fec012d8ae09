import type { ProjectOptions } from '#src/project/project.js';
import { PreviewBudget } from '#src/vfs/preview-budget.js';

/** A project that polls when it is told to, sends at once, and holds nothing. */
export const PROJECT_OPTIONS: ProjectOptions = {
  cacheLimit: 2 ** 30,
  cacheReserve: 0,
  previews: new PreviewBudget(2 ** 28, () => performance.now()),
  pollInterval: 3600,
  settle: 0,
  deleteDelay: 0,
  holdAfter: 1_000_000,
  noDelete: false,
  temporary: [],
};
