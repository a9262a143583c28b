/** Several attempts of which one is enough: nobody waits for the others. */

/** Undefined as soon as one attempt succeeds; else, when all have failed, why each of them did. Never rejects. */
export async function whyAllFailed(attempts: readonly Promise<void>[]): Promise<string | undefined> {
  try {
    await Promise.any(attempts);
    return undefined;
  } catch (error) {
    const reasons = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [error];
    return reasons.map((one) => (one instanceof Error ? one.message : 'failed')).join('; ');
  }
}
