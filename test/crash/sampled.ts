/**
 * Which steps a test run kills at: every fifth one, so that `npm test` ends in minutes; each with BERTH_CRASH_ALL=1
 * (`npm run test:full`).
 */
const ONE_IN = 5;

/** @param from which of the first five begins, 0 to 4; files that kill at the same steps take different ones */
export function sampled<Step>(steps: readonly Step[], from = 0): readonly Step[] {
  if (process.env['BERTH_CRASH_ALL'] !== undefined) return steps;
  return steps.filter((_, index) => index % ONE_IN === from);
}
