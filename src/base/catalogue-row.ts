/**
 * Every failure that people can meet, by code. `what` and `remedy` take `{details}`; the reason is added from the
 * cause. `errno` is what a file operation answers, `http` the status of an API reply.
 */
export interface CatalogueRow {
  readonly errno: string;
  readonly http: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly what: string;
  readonly remedy: string;
}
