/** Whether an image may be opened, asked by an operation that has its turn. */
import { settledWithin } from '../../model/time-limit.js';
import type { MapRequest } from '../../rbd/mapping/mapper.js';

/** How long it waits in its turn for leave to open the image, ms: a silent cluster must not hold the others. */
const IN_TURN_MS = 100;

/** Throws where it may not; false where that is not known soon. */
export async function mayOpenNow({ mayOpen }: Pick<MapRequest, 'mayOpen'>): Promise<boolean> {
  if (mayOpen === undefined) return true;
  if (!(await settledWithin(mayOpen, IN_TURN_MS))) return false;
  await mayOpen;
  return true;
}
