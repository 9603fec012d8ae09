/**
 * A failure shown to users. `what` and `remedy` take `{details}`; the reason comes from the cause. `errno` is the
 * errno of a file operation, `http` the status of an API reply.
 */
export interface CatalogueRow {
  readonly errno: string;
  readonly http: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly what: string;
  readonly remedy: string;
}
