/** What the node's use cases stand on, wired once in main. */
import type { Holders } from '../attachment/holders.js';
import { fail, isBerthError } from '../model/errors.js';
import type { Exec } from '../host/exec.js';
import type { Journal } from '../journal/journal.js';
import type { JournalEntry } from '../journal/entry.js';
import type { Deadline } from '../model/deadline.js';
import { parseVolumeId } from '../model/volume-id.js';
import type { Logger } from '../observe/log.js';
import type { Clusters } from '../rbd/clusters.js';
import type { ImageLocation, Mapper, Mapping, MapperName, MounterChoice } from '../rbd/mapping/mapper.js';
import { sameLocation } from '../rbd/mapping/location-name.js';
import type { RbdPort } from '../rbd/port.js';
import type { KataRecords } from '../sandbox/kata/records.js';
import type { RuntimeClassOf } from '../sandbox/pod.js';
import type { Operation, Operations } from './operations.js';
import type { NodeSteps } from './steps.js';

export interface NodeRoom {
  /** This node's id, as ControllerPublish will name it. */
  readonly node: string;
  /** Of this boot: whatever is mapped ends with it. */
  readonly bootId: string;
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holders: Holders;
  readonly journal: Journal;
  readonly operations: Operations<NodeSteps>;
  readonly exec: Exec;
  readonly log: Logger;
  readonly now: () => Date;
  /** The mapper for a choice (`auto` takes the best that works here); MAPPER_UNAVAILABLE. */
  mapperFor(choice: MounterChoice): Promise<Mapper>;
  mapperNamed(name: MapperName): Mapper;
  readonly mappers: readonly Mapper[];
  readonly kata: KataRoom;
  /** An operator's own limit of volumes on this node; undefined takes what the mapper can. */
  readonly maxVolumes: number | undefined;
}

/** What the node knows of virtual machines and of who runs in them. */
export interface KataRoom {
  readonly records: KataRecords;
  /** Where the sandboxes' monitor sockets are. */
  readonly shims: readonly string[];
  /** Handlers of RuntimeClasses that are Kata's. */
  readonly handlers: readonly string[];
  readonly runtimeClassOf: RuntimeClassOf;
}

/** What a use case of the node says of itself while it runs. */
export type NodeOperation<Op extends keyof NodeSteps> = Operation<NodeSteps[Op][number]>;

/** Time that an undo gets when its operation's own has run out, in ms. */
export const UNDO_MS = 20_000;

/** Where the entry's image is, for the kernel; undefined for a handle that is none of ours. */
export function locationOf(volume: string, fsid: string): ImageLocation | undefined {
  const id = parseVolumeId(volume);
  return id === undefined ? undefined : { fsid, pool: id.pool, namespace: id.namespace, image: id.image };
}

/** The entry's mapping as the kernel has it now; what the journal says of it is only what was meant. */
export async function mappingOf(room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<Mapping | undefined> {
  const location = locationOf(entry.volume, entry.fsid);
  return location === undefined ? undefined : room.mapperNamed(entry.mapper).find(location, deadline);
}

/**
 * A volume's mapping when the journal knows nothing of it (lost state directory): looked for in every mapper's kernel state, also of one
 * that cannot map just now. VOLUME_IN_USE where it may be one of several, for "none" would be taken for "not mapped".
 */
export async function findUnrecorded(room: NodeRoom, volume: string, deadline: Deadline): Promise<Mapping | undefined> {
  const wanted = locationOf(volume, '');
  if (wanted === undefined) return undefined;
  // The same place in another cluster may be staged here: its mapping is that volume's, not this one's.
  const { entries } = await room.journal.all().catch(() => ({ entries: [] }));
  const known = entries.flatMap((entry) => locationOf(entry.volume, entry.fsid) ?? []);
  for (const mapper of room.mappers) {
    const found = (await listed(mapper, deadline)).filter(
      ({ location }) =>
        sameLocation({ ...location, fsid: '' }, wanted) && !known.some((one) => sameLocation(one, location)),
    );
    // The same place in two clusters cannot be told apart without the journal's fsid: leave both alone.
    if (found.length > 1) {
      const devices = found.map(({ device }) => device).join(', ');
      throw fail('VOLUME_IN_USE', { volume, who: `this node, as one of ${devices}, and no journal says which` });
    }
    if (found[0] !== undefined) return found[0];
  }
  return undefined;
}

/** Of one whose programs are missing, and that cannot tell without them, nothing: what is gone must still be a success there. */
async function listed(mapper: Mapper, deadline: Deadline): Promise<readonly Mapping[]> {
  try {
    return await mapper.list(deadline);
  } catch (error) {
    if ((await mapper.whyNot()) === undefined) throw error;
    return [];
  }
}

/** May the node take this volume, too? One that is mapped already has its place. NODE_FULL at the limit. */
export async function checkRoomOnNode(
  room: NodeRoom,
  mapper: Mapper,
  { volume, fsid }: { readonly volume: string; readonly fsid: string },
  deadline: Deadline,
): Promise<void> {
  const limit = await volumeLimit(room, mapper);
  const mappings = await mapper.list(deadline);
  const count = mappings.length;
  if (count < limit) return;
  const location = locationOf(volume, fsid);
  const isMapped = mappings.some((one) => location !== undefined && sameLocation(one.location, location));
  if (!isMapped) throw fail('NODE_FULL', { node: room.node, count, limit });
}

/** What NodeGetInfo reports: the operator's limit where it is the smaller one, else what the kernel can hold. */
export async function volumeLimit(room: Pick<NodeRoom, 'maxVolumes'>, mapper: Mapper): Promise<number> {
  const kernel = await mapper.limit();
  return room.maxVolumes === undefined ? kernel : Math.min(room.maxVolumes, kernel);
}

/** The limit of the mapper that this node would choose; 0 (no limit known) where none works. */
export async function nodeLimit(room: NodeRoom): Promise<number> {
  try {
    return await volumeLimit(room, await room.mapperFor('auto'));
  } catch (error) {
    if (isBerthError(error, 'MAPPER_UNAVAILABLE')) return 0;
    throw error;
  }
}
