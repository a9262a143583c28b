/** ControllerGetVolume: a volume's size, its holders, and whether who has it open fits them. */
import { HOLDER_KEY, parseHolderRecord } from '../../attachment/holder-record.js';
import type { Deadline } from '../../model/deadline.js';
import { conditionOf, type Condition } from '../image/volume-condition.js';
import { type ControllerRoom } from './controller-room.js';
import { mustFindVolume } from '../image/find-volume.js';

export interface SeenVolume {
  readonly volume: string;
  readonly sizeBytes: bigint;
  readonly publishedNodes: readonly string[];
  readonly condition: Condition;
}

/** Also looks who has it open, which opens the image for a moment. */
export async function getVolume(room: ControllerRoom, volume: string, deadline: Deadline): Promise<SeenVolume> {
  const { head, at } = await mustFindVolume(room, volume, 'controller', undefined, deadline);
  const record = parseHolderRecord(head.metadata.get(HOLDER_KEY), volume);
  const [{ watchers }, { instance }] = await Promise.all([
    room.rbd.inspect(at, deadline),
    room.rbd.identify(at.access, deadline),
  ]);
  return {
    volume,
    sizeBytes: head.sizeBytes,
    publishedNodes: record?.holders.map((one) => one.node) ?? [],
    condition: conditionOf(record, watchers, instance),
  };
}
