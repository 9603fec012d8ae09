/** Finds the row of a route table that matches a request. `:name` in a pattern matches one segment. */
export class Router<Row extends { readonly method: string; readonly pattern: string }> {
  readonly #rows: readonly { readonly row: Row; readonly segments: readonly string[] }[];

  constructor(rows: readonly Row[]) {
    this.#rows = rows.map((row) => ({ row, segments: row.pattern.split('/') }));
  }

  find(method: string, path: string): { row: Row; params: Record<string, string> } | undefined {
    const given = path.split('/');
    for (const { row, segments } of this.#rows) {
      if (row.method !== method || segments.length !== given.length) continue;
      const params: Record<string, string> = {};
      const matches = segments.every((segment, i) => {
        if (!segment.startsWith(':')) return segment === given[i];
        params[segment.slice(1)] = given[i]!;
        return given[i] !== '';
      });
      if (matches) return { row, params };
    }
    return undefined;
  }
}
