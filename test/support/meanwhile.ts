/** What stands between a call and its answer: makes the call when it likes, and answers as it likes. */
type Instead = (call: () => Promise<unknown>) => Promise<unknown>;

/**
 * The next call of this method of a part that is wired already goes another way, as if something happened on the line.
 * Resolves when it has.
 */
export function instead<T extends object>(part: T, method: keyof T & string, way: Instead): Promise<void> {
  const methods = part as Record<string, unknown>;
  const own = Object.getOwnPropertyDescriptor(part, method);
  const real = (methods[method] as (...args: readonly unknown[]) => Promise<unknown>).bind(part);
  return new Promise((resolve) => {
    methods[method] = async (...args: readonly unknown[]) => {
      if (own) Object.defineProperty(part, method, own);
      else delete methods[method];
      try {
        return await way(() => real(...args));
      } finally {
        resolve();
      }
    };
  });
}

/** While the next call of this method is on its way to the server, something happens. */
export const before = <T extends object>(part: T, method: keyof T & string, work: () => Promise<unknown>) =>
  instead(part, method, async (call) => {
    await work();
    return call();
  });

/** While the reply to the next call of this method is on its way back, something happens. */
export const after = <T extends object>(part: T, method: keyof T & string, work: () => Promise<unknown>) =>
  instead(part, method, async (call) => {
    const reply = await call();
    await work();
    return reply;
  });
