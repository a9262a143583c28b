/**
 * The volume at a path that the kubelet asks about: its staging path, a target, or any other path that leads to its
 * device. Of a raw volume the kubelet names a bind mount that it made by itself
 * (`plugins/kubernetes.io/csi/volumeDevices/PV/dev/POD`).
 */
import { stat } from 'node:fs/promises';
import { deviceNumber, formatDeviceNumber } from '../../../host/device/block-device.js';
import { mountAt, type Mount } from '../../../host/mount/mountinfo.js';
import { whereLeads } from '../../../host/mount/target-path.js';
import { isMountedHere, type JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { Mappers } from '../node-mappers.js';

export interface AtPath {
  readonly entry: JournalEntry;
  /** Undefined where the kernel has lost the device below a mount. */
  readonly mapping: Mapping | undefined;
  /** Undefined at the staging path of what is not mounted by this node, and at a device node. */
  readonly mount: Mount | undefined;
  /** Where the path leads. */
  readonly path: string;
}

export interface FindAtPathParts {
  readonly journal: Pick<Journal, 'read'>;
  readonly mappers: Pick<Mappers, 'mappingOf'>;
}

/** Undefined where the volume is neither staged nor published there and the path does not lead to its device. */
export async function findAtPath(
  { journal, mappers }: FindAtPathParts,
  volume: string,
  asked: string,
  deadline: Deadline,
): Promise<AtPath | undefined> {
  const path = await whereLeads(asked);
  if (path === undefined) return undefined;
  const entry = await journal.read(volume);
  if (entry === undefined) return undefined;
  const [mount, mapping] = await Promise.all([mountAt(path), mappers.mappingOf(entry, deadline)]);
  const found = { entry, mapping, mount, path };
  return isThere(found) || (await leadsToDevice(found)) ? found : undefined;
}

/** At a path of the journal, as far as the kernel shows anything there. */
function isThere({ entry, mapping, mount, path }: AtPath): boolean {
  if (entry.stagingPath === path && !isMountedHere(entry)) return mount !== undefined || mapping !== undefined;
  return mount !== undefined && (entry.stagingPath === path || path in entry.targets);
}

async function leadsToDevice({ entry, mapping, mount, path }: AtPath): Promise<boolean> {
  const number = entry.access === 'block' ? await nodeNumber(path) : mount?.device;
  if (number === undefined) return false;
  if (mapping !== undefined) return number === (await deviceNumber(mapping.device));
  return (await numbersLeft(entry)).includes(number);
}

/** Of a device that is gone: the numbers that mounts and bound nodes of the volume still have. */
async function numbersLeft(entry: JournalEntry): Promise<readonly string[]> {
  const { access, stagingPath, targets } = entry;
  if (access === 'mount' && !isMountedHere(entry)) return [];
  const places = access === 'block' ? Object.keys(targets) : [stagingPath];
  const numberAt = async (place: string) => (access === 'block' ? nodeNumber(place) : (await mountAt(place))?.device);
  return (await Promise.all(places.map(numberAt))).filter((one) => one !== undefined);
}

/** Of the device node that a path leads to; asks the filesystem that holds the node, never the device. */
async function nodeNumber(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats?.isBlockDevice() === true ? formatDeviceNumber(stats.rdev) : undefined;
}
