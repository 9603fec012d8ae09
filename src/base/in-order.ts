/**
 * Runs the steps one after the other, also after a failed one, so that every resource is released.
 * @throws the first error
 */
export async function inOrder(...steps: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps)
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  if (errors.length > 0) throw errors[0];
}
