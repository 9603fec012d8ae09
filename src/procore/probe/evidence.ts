import type { IncomingHttpHeaders } from 'node:http';
import { oneLine } from '../../base/text.js';
import { errorTexts } from '../reply-error.js';
import { type RateSeen, SPIKE_SECONDS } from './spike-window.js';
import type { StorageLook } from './storage-look.js';

/** The steps of a probe: each call belongs to one. A fact names the steps that its answer comes from. */
export type ProbeStep =
  // Reading.
  | 'companies'
  | 'no-company'
  | 'projects'
  | 'root'
  | 'path'
  | 'index'
  | 'index-v1'
  | 'index-v2'
  | 'page-beyond'
  | 'page-allowed'
  | 'tie'
  | 'tie-again'
  | 'open-range'
  | 'range-end'
  | 'range-end-again'
  | 'v2'
  | 'window'
  // Writing: everything is made …
  | 'scratch'
  | 'folder'
  | 'child'
  | 'target'
  | 'announce'
  | 'file'
  | 'reuse'
  | 'unknown-upload'
  | 'announce-program'
  | 'program'
  | 'program-again'
  | 'announce-empty'
  | 'empty'
  | 'announce-version'
  | 'version'
  | 'name-characters'
  | 'name-edges'
  | 'name-case'
  | 'name-clash'
  | 'name-256'
  | 'name-255'
  | 'name-150'
  // … changed …
  | 'rename'
  | 'check-out'
  | 'decomposed'
  | 'composed'
  | 'delete-folder'
  | 'changes'
  | 'changes-bin'
  | 'missing-parent'
  | 'get-recycled'
  | 'rename-recycled'
  // … changed again, listed, and deleted.
  | 'restore'
  | 'move'
  | 'permission'
  | 'delete-file'
  | 'take-name'
  | 'listing'
  | 'clean-up';

export type Json = Readonly<Record<string, unknown>>;

/** One reply of the API, whatever its status. */
export class ProbedReply {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
  /** Undefined: the body is not valid JSON. */
  readonly json: unknown;
  /** The server's `Date`, seconds since the epoch; 0 if it sent none. */
  readonly date: number;

  constructor(status: number, headers: IncomingHttpHeaders, body: Buffer) {
    this.status = status;
    this.headers = headers;
    this.text = body.toString('utf8');
    try {
      this.json = JSON.parse(this.text);
    } catch {
      this.json = undefined;
    }
    const date = Date.parse(String(headers.date ?? ''));
    this.date = Number.isNaN(date) ? 0 : Math.floor(date / 1000);
  }

  get ok(): boolean {
    return this.status < 300;
  }

  /** The server refused the content of the call; not a lack of permission, nor a server error. */
  get refused(): boolean {
    return this.status === 400 || this.status === 409 || this.status === 422;
  }

  get item(): Json {
    return asObject(this.json);
  }

  get rows(): readonly Json[] {
    return listOf(this.json);
  }

  /** The error texts of the reply; empty for a body that is not an error of the API. */
  get words(): string {
    return oneLine(Object.values(errorTexts(this.json)).flat().join('; ') || `HTTP ${this.status}`, 200);
  }

  get perPage(): number | undefined {
    const number = Number.parseInt(String(this.headers['per-page'] ?? ''), 10);
    return number > 0 ? number : undefined;
  }
}

/** The observations of a probe; steps that were not made are missing. */
export interface Evidence {
  readonly seen: Partial<Record<ProbeStep, ProbedReply>>;
  /** In the order of the calls. */
  readonly rates: RateSeen[];
  /** Length of the spike window, seconds. */
  spikeSeconds: number;
  grant: string | undefined;
  /** Id of the project under test. */
  project: number | undefined;
  storage: StorageLook | undefined;
  tokenType: string | undefined;
  grantErrorStatus: number | undefined;
  /** Status of the storage for the first upload, and for the empty one. */
  uploadStatus: number | undefined;
  emptyStatus: number | undefined;
  /**
   * Upper bounds of the server time at which the items were created, and at which the first changes were made; seconds
   * since the epoch.
   */
  made: number | undefined;
  changed: number | undefined;
}

export const noEvidence = (): Evidence => ({
  seen: {},
  rates: [],
  spikeSeconds: SPIKE_SECONDS,
  grant: undefined,
  project: undefined,
  storage: undefined,
  tokenType: undefined,
  grantErrorStatus: undefined,
  uploadStatus: undefined,
  emptyStatus: undefined,
  made: undefined,
  changed: undefined,
});

export const asObject = (value: unknown): Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Json) : {};

export const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(asObject) : []);

export const idOf = (seen: ProbedReply | undefined): number | undefined => {
  const { id } = seen?.ok ? seen.item : {};
  return Number.isSafeInteger(Number(id)) && Number(id) > 0 ? Number(id) : undefined;
};

export const nameSeen = (seen: ProbedReply | undefined): string | undefined => {
  const { name } = seen?.ok ? seen.item : {};
  return typeof name === 'string' ? name : undefined;
};

/** `updated_at` in seconds since the epoch. */
export const updatedOf = (row: Json | undefined): number | undefined => {
  const ms = Date.parse(String(row?.updated_at ?? ''));
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
};
