/** Has this node's kernel what `--mounter` asks for? Told from sysfs alone, once a mapper has tried to load it. */
import path from 'node:path';
import { isThere } from '../../host/is-there.js';
import type { MounterChoice } from '../../model/mapper-name.js';
import { rbdBus } from './krbd/krbd-sysfs.js';

/** True also for a mapper that needs nothing of the kernel: what it lacks is no fault of the node's. */
export async function kernelMaps(sysRoot: string, mounter: MounterChoice): Promise<boolean> {
  const marks = { krbd: rbdBus(sysRoot), nbd: path.join(sysRoot, 'module/nbd') };
  if (mounter === 'krbd' || mounter === 'nbd') return isThere(marks[mounter]);
  return mounter !== 'auto' || (await isThere(marks.krbd)) || isThere(marks.nbd);
}
