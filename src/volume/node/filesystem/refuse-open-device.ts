/** Before a volume passes between the kernels of host and guests: nobody may have its device open any more. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { lastingUsers } from '../../../rbd/mapping/device-users.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import { KERNEL_ROOTS } from '../../../rbd/mapping/roots.js';
import type { Mappers } from '../node-mappers.js';

/**
 * How long a virtual machine that ends may keep the device, in ms. For the orchestrator its pod is gone before the
 * machine is.
 */
const PASSING_MS = 10_000;
const PAUSE_MS = 250;

/**
 * BERTH_VOLUME_IN_USE naming the user that stays. A monitor that outlives its pod (kata-containers#13538) would be a
 * second writer to a filesystem that knows only one.
 */
export async function refuseOpenDevice(
  { mappers }: { readonly mappers: Pick<Mappers, 'named'> },
  volume: string,
  mapping: Mapping,
  deadline: Deadline,
): Promise<void> {
  const server = await mappers.named(mapping.mapper).serverOf?.(mapping);
  const patience = deadline.within(PASSING_MS);
  for (;;) {
    const who = await lastingUsers(mapping.device, KERNEL_ROOTS, deadline, server);
    if (who === undefined) return;
    if (patience.expired || !who.startsWith('open in ')) {
      throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `${mapping.device}: ${who}` });
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
