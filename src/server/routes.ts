import { connectionRoutes } from './connections/routes.js';
import type { SignIns } from './connections/sign-ins.js';
import type { Route } from './http/route.js';
import { jobRoutes } from './jobs/routes.js';
import type { Parts } from './parts.js';
import { transferRoutes } from './transfers/routes.js';

/** Every call of the API: what is served, checked and documented comes from these rows. */
export const allRoutes = (parts: Parts, signIns: SignIns): Route[] => [
  ...connectionRoutes(parts, signIns),
  ...jobRoutes(parts),
  ...transferRoutes(parts),
];
