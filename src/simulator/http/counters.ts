/** Counts the requests to the simulator since the last reset. */
export class CallCounters {
  total = 0;
  /** Time of the first call in milliseconds since the epoch, this machine's clock. */
  first: number | undefined;
  status429 = 0;
  status4xx = 0;
  status5xx = 0;
  login = 0;
  byRoute = new Map<string, number>();
  storage = { requests: 0, bytes: 0, uploads: 0, received: 0 };

  route(label: string): void {
    this.total++;
    this.first ??= Date.now();
    this.byRoute.set(label, (this.byRoute.get(label) ?? 0) + 1);
  }

  status(status: number): void {
    if (status === 429) this.status429++;
    if (status >= 400 && status < 500) this.status4xx++;
    if (status >= 500) this.status5xx++;
  }

  reset(): void {
    Object.assign(this, new CallCounters());
  }

  toJSON(): object {
    const { total, first, status429, status4xx, status5xx, login, storage } = this;
    const byRoute = Object.fromEntries(this.byRoute);
    return { total, first, byRoute, status429, status4xx, status5xx, login, storage };
  }
}
