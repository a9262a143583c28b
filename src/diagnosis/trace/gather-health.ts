/** What the monitors report of a volume's cluster, and how long its image is waited for after that. */
import { settledWithin } from '../../model/time-limit.js';
import type { Deadline } from '../../model/deadline.js';
import type { ClusterHealth } from '../../rbd/port.js';
import type { ImageDescriptions, ImageStates } from '../attachment/gather-attachment.js';
import { mayStand } from './breaks/pool-breaks.js';
import type { Look } from './gather-claim.js';
import type { VolumeFacts } from './volume-facts.js';

type Asked = Promise<ClusterHealth | undefined>;

/** Asked at once: the monitors answer also where an OSD is waited for until the end. */
export function askHealth(
  images: Pick<ImageDescriptions, 'health'>,
  handle: string | undefined,
  deadline: Deadline,
): Asked {
  const asked = handle === undefined ? Promise.resolve(undefined) : images.health(handle, deadline);
  asked.catch(() => undefined);
  return asked;
}

/** What came of it. Where the image cannot be read either, that says it. */
export const healthHeard = (asked: Asked, image: VolumeFacts['image'], look: Look): Asked =>
  typeof image === 'object' && 'error' in image ? asked.catch(() => undefined) : look('image', () => asked);

/** Monitors that answer do so within this, in ms; others are waited for beside the image. */
const FIRST_WORD_MS = 1_000;
/** For how long an image is waited for of which the monitors have said why it may not answer, in ms. */
const STANDING_MS = 5_000;

/** The monitors' word comes first: with it the cause is known, and nobody waits to the end for what stands still. */
export async function readAfter(
  asked: Asked,
  images: Pick<ImageStates, 'readHolders'>,
): Promise<Pick<ImageStates, 'readHolders'>> {
  const health = (await settledWithin(asked, FIRST_WORD_MS)) ? await asked.catch(() => undefined) : undefined;
  if (health === undefined || !mayStand(health)) return images;
  return {
    readHolders: (volume, watchers, deadline) => images.readHolders(volume, watchers, deadline.within(STANDING_MS)),
  };
}
