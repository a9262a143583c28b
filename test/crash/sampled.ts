/**
 * Which steps a test run kills at: every third one, so that `npm test` ends in minutes; each with BERTH_CRASH_ALL=1
 * (`npm run test:full`).
 */
const ONE_IN = 3;

/** @param from which of the first three begins, 0 to 2; files that kill at the same steps take different ones */
export function sampled<Step>(steps: readonly Step[], from = 0): readonly Step[] {
  if (process.env['BERTH_CRASH_ALL'] !== undefined) return steps;
  return steps.filter((_, index) => index % ONE_IN === from);
}
