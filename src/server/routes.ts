import type { Database } from '../database/open.js';
import type { AuditLog } from './access/audit.js';
import type { Users } from './access/users.js';
import { auditRoute } from './admin/audit.js';
import { adminRoutes } from './admin/routes.js';
import { budgetRoutes } from './budget/routes.js';
import { compareRoute } from './connections/compare.js';
import { connectionRoutes } from './connections/routes.js';
import type { SignIns } from './connections/sign-ins.js';
import { healthRoute } from './health/routes.js';
import type { Route } from './http/route.js';
import { jobRoutes } from './jobs/routes.js';
import { mountRoutes } from './mounts/routes.js';
import type { ServiceParts } from './parts.js';
import { reportRoutes } from './reports/routes.js';
import { transferRoutes } from './transfers/routes.js';

export interface RouteParts {
  readonly parts: ServiceParts;
  readonly signIns: SignIns;
  readonly users: Users;
  readonly audit: AuditLog;
  readonly database: Database;
}

/** Every call of the API: serving, checks and documentation use these rows. */
export const allRoutes = ({ parts, signIns, users, audit, database }: RouteParts): Route[] => [
  compareRoute,
  ...connectionRoutes(parts, signIns),
  ...jobRoutes(parts),
  ...transferRoutes(parts),
  ...reportRoutes(parts, database),
  ...mountRoutes(parts),
  ...budgetRoutes(parts),
  healthRoute(parts),
  ...adminRoutes(parts, users, parts.log.level),
  auditRoute(audit),
];
