/** A volume that stands on many images, each a copy of the one before, in the cluster of a unit test. */
import type { MemoryImage } from '../../../../fakes/rbd-memory.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import type { ToFlatten } from '../../../../../src/volume/controller/flatten/flatten-list.js';
import { creation, soon, type MemoryCluster } from '../memory-cluster.js';
import { createParts, flattensOf } from '../use-case-parts.js';

export interface LongChain {
  /** The oldest first; the last stands on all others. */
  readonly images: readonly MemoryImage[];
  /** The last, as the list of those that are to stand alone has it. */
  readonly last: ToFlatten;
}

let chains = 0;

/** Beside those that are there; nothing of it is made to stand alone. @param depth on how many the last one stands */
export async function longChain(cluster: MemoryCluster, depth: number): Promise<LongChain> {
  const flattens = flattensOf(cluster);
  const idle = { limits: flattens.limits, begin: () => undefined, hurry: () => Promise.resolve(undefined) };
  const parts = { ...createParts(cluster), flattens: { ...idle, enlist: flattens.enlist.bind(flattens) } };
  const images: MemoryImage[] = [];
  chains += 1;
  const name = (n: number): string => `chain-${chains}-${n}`;
  for (let n = 0; n <= depth; n += 1) {
    const source = n === 0 ? undefined : ({ kind: 'volume', id: `c1/rbd/berth-${name(n - 1)}` } as const);
    await createVolume(parts, { ...creation(name(n)), source }, soon());
    const image = cluster.image(`berth-${name(n)}`)!;
    if (n === 0) image.written = true;
    images.push(image);
  }
  const imageId = images.at(-1)!.id;
  return { images, last: { pool: 'rbd', namespace: '', imageId, volume: `c1/rbd/berth-${name(depth)}` } };
}
