import * as z from 'zod';
import type { CompanyId, ProjectId } from '../base/ids.js';

const named = z.object({ id: z.number(), name: z.string() });
const cachedProject = z.object({ ...named.shape, company: z.number() });

/** A connection's file. Unknown keys are kept, so that an older program does not lose those of a newer one. */
export const connectionSchema = z.looseObject({
  id: z.string().regex(/^[0-9a-z-]{1,64}$/),
  name: z.string().min(1),
  platform: z.literal('procore'),
  apiUrl: z.string(),
  loginUrl: z.string(),
  clientId: z.string().min(1),
  grant: z.enum(['client-credentials', 'authorization-code']),
  /** The app is this installation's; its secret is in the configuration. */
  defaultClient: z.literal(true).optional(),
  /** For the company header; service accounts need it. */
  company: z.number().optional(),
  /** The only project that this connection reaches. */
  project: z.number().optional(),
  maxCallsPerHour: z.number().optional(),
  disabled: z.literal(true).optional(),
  /** Seconds. Development servers have shorter rate windows than an hour and 10 s. */
  rateWindows: z.object({ hour: z.number().positive(), spike: z.number().positive() }).optional(),
  /** ISO 8601. */
  createdAt: z.string(),
  /** Result of the last test: saves calls, and may be out of date. */
  account: z.object({ id: z.number(), name: z.string().optional(), login: z.string().optional() }).optional(),
  companies: z.array(named).optional(),
  projects: z.array(cachedProject).optional(),
});

export type Grant = 'client-credentials' | 'authorization-code';

/** An authenticated account at Procore. Its secrets are stored separately. */
export interface Connection {
  readonly id: string;
  readonly name: string;
  readonly platform: 'procore';
  /** Origins, no trailing slash. */
  readonly apiUrl: string;
  readonly loginUrl: string;
  readonly clientId: string;
  readonly grant: Grant;
  readonly defaultClient?: true | undefined;
  readonly company?: CompanyId | undefined;
  readonly project?: ProjectId | undefined;
  readonly maxCallsPerHour?: number | undefined;
  /** No job runs with it and nothing new is mounted, until it is enabled again. */
  readonly disabled?: true | undefined;
  readonly rateWindows?: { readonly hour: number; readonly spike: number } | undefined;
  readonly createdAt: string;
  readonly account?:
    | { readonly id: number; readonly name?: string | undefined; readonly login?: string | undefined }
    | undefined;
  readonly companies?: readonly { readonly id: number; readonly name: string }[] | undefined;
  readonly projects?: readonly { readonly id: number; readonly name: string; readonly company: number }[] | undefined;
}
