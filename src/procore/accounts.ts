import * as z from 'zod';
import { asCompanyId, asProjectId, type CompanyId, type ProjectId } from '../base/ids.js';

/** The account that a token belongs to: a person, or a service account. */
export interface ProcoreAccount {
  readonly id: number;
  readonly login: string | undefined;
  readonly name: string | undefined;
}

export interface Company {
  readonly id: CompanyId;
  readonly name: string;
  readonly active: boolean;
}

export interface ProcoreProject {
  readonly id: ProjectId;
  /** Need not be unique. */
  readonly name: string;
  readonly active: boolean;
  /** Seconds since the epoch, of the project's own data (its documents do not count), if the server sends it. */
  readonly updatedAt: number | undefined;
}

const id = z.union([
  z.number().int().positive(),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
]);
const accountRow = z.looseObject({ id, login: z.string().nullish(), name: z.string().nullish() });
const namedRow = z.looseObject({
  id,
  name: z.string().nullish(),
  display_name: z.string().nullish(),
  active: z.boolean().nullish(),
  is_active: z.boolean().nullish(),
  updated_at: z.string().nullish(),
  created_at: z.string().nullish(),
});

export function toAccount(raw: unknown): ProcoreAccount {
  const row = accountRow.parse(raw);
  return { id: row.id, login: row.login ?? undefined, name: row.name ?? undefined };
}

const named = (raw: unknown): { id: number; name: string; active: boolean } => {
  const row = namedRow.parse(raw);
  return {
    id: row.id,
    name: row.name ?? row.display_name ?? String(row.id),
    active: row.active ?? row.is_active ?? true,
  };
};

export function toCompany(raw: unknown): Company {
  const row = named(raw);
  return { ...row, id: asCompanyId(row.id) };
}

export function toProject(raw: unknown): ProcoreProject {
  const row = named(raw);
  const { updated_at, created_at } = namedRow.parse(raw);
  const updated = Date.parse(updated_at ?? created_at ?? '') / 1000;
  return { ...row, id: asProjectId(row.id), updatedAt: Number.isNaN(updated) ? undefined : updated };
}
