/** A call during which the controller ends itself at a step, as by kill -9. */
import { expect } from 'vitest';
import type { Driver } from '../csi/driver.js';

/** How long a driver may take to come to its step, ms. */
const DEATH_MS = 60_000;

/** The call ends with the driver's own death at the step. */
export async function driverDiesAt(dying: Driver, step: string, call: () => Promise<unknown>): Promise<void> {
  await dying.start('ready', { BERTH_CRASH_AT: step });
  const answer = call().catch((error: unknown) => error);
  expect(await dying.death(DEATH_MS), `how the driver ended at ${step}`).toBe('SIGKILL');
  expect(await answer).toBeInstanceOf(Error);
}
