/** Collects what a case has to clean up; the last one first, as nested things want it. */
export class Scope {
  readonly #cleanups: (() => unknown)[] = [];

  teardown(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) {
      try {
        await cleanup();
      } catch (error) {
        console.error('cleaning up:', error);
      }
    }
  }
}
