/** What the kernel client has mapped, from /sys/bus/rbd alone: no child process, no cluster. */
import path from 'node:path';
import { readAttribute, listDirectory } from '../../../host/device/kernel-attribute.js';
import { sameLocation } from '../location-name.js';
import type { ImageLocation } from '../mapper.js';

export interface KrbdDevice {
  /** N of /dev/rbdN. */
  readonly id: string;
  readonly location: ImageLocation;
  /** `-` for the image itself (Documentation/ABI/testing/sysfs-bus-rbd). */
  readonly snapshot: string;
  readonly major: string;
  readonly minor: string;
  readonly readOnly: boolean;
  /** Our client instance at the cluster, as `rbd status` shows it for a watcher. */
  readonly clientAddress: string;
  /** Its number at the cluster, `client.4123`; undefined where the kernel does not tell. */
  readonly client: string | undefined;
}

/** Images, not snapshots. */
export const isImage = (device: KrbdDevice): boolean => device.snapshot === '-';

export const rbdBus = (sysRoot: string): string => path.join(sysRoot, 'bus/rbd');

/** Every device now; one that is being removed while it is read is left out. */
export function readKrbdDevices(sysRoot: string): readonly KrbdDevice[] {
  const devices = listIds(sysRoot).map((id) => readDevice(sysRoot, id));
  return devices.filter((device) => device !== undefined).sort((a, b) => Number(a.id) - Number(b.id));
}

/** The device of an image; of the others, of which a node may have hundreds, only their images' names are read. */
export function findKrbdDevice(sysRoot: string, location: ImageLocation): KrbdDevice | undefined {
  const named = listIds(sysRoot).filter((id) => attributeOf(sysRoot, id, 'name') === location.image);
  const devices = named.map((id) => readDevice(sysRoot, id)).filter((device) => device !== undefined);
  return devices
    .sort((a, b) => Number(a.id) - Number(b.id))
    .find((device) => isImage(device) && sameLocation(device.location, location));
}

const listIds = (sysRoot: string): readonly string[] => listDirectory(path.join(rbdBus(sysRoot), 'devices'));

const attributeOf = (sysRoot: string, id: string, name: string): string | undefined =>
  readAttribute(path.join(rbdBus(sysRoot), 'devices', id, name));

/** Bits of the features that this kernel can do; undefined before 4.11, which does not tell. */
export function supportedFeatures(sysRoot: string): bigint | undefined {
  const text = readAttribute(path.join(rbdBus(sysRoot), 'supported_features'));
  return text === undefined ? undefined : BigInt(text.trim());
}

/** One major for all devices, 16 minors for each (rbd.ko, RBD_SINGLE_MAJOR_PART_SHIFT): 2^20 / 16. */
const SINGLE_MAJOR_LIMIT = 65_536;
/** register_blkdev gives out majors 1 to 254 to those who ask for any. */
const MAJORS = 254;

/** How many images can be mapped at a time. */
export function krbdLimit(sysRoot: string, procRoot: string): number {
  const singleMajor = readAttribute(path.join(sysRoot, 'module/rbd/parameters/single_major'));
  if (singleMajor === undefined || singleMajor === 'Y') return SINGLE_MAJOR_LIMIT;
  const devices = readAttribute(path.join(procRoot, 'devices')) ?? '';
  const block = devices.slice(devices.indexOf('Block devices:')).split('\n').slice(1);
  const taken = block.filter((line) => /^\s*\d+ /.test(line) && !/ rbd\d*$/.test(line));
  return MAJORS - taken.length;
}

/** Written to, it makes the kernel read the image's header again. */
export const refreshFile = (sysRoot: string, id: string): string =>
  path.join(rbdBus(sysRoot), 'devices', id, 'refresh');

function readDevice(sysRoot: string, id: string): KrbdDevice | undefined {
  const attribute = (name: string): string | undefined => attributeOf(sysRoot, id, name);
  const [fsid, pool, image, snapshot] = [
    attribute('cluster_fsid'),
    attribute('pool'),
    attribute('name'),
    attribute('current_snap'),
  ];
  const [major, minor, clientAddress] = [attribute('major'), attribute('minor'), attribute('client_addr')];
  // Not in kernels before 4.19, which know no namespaces.
  const namespace = attribute('pool_ns') ?? '';
  if (fsid === undefined || pool === undefined || image === undefined || snapshot === undefined) return undefined;
  if (major === undefined || minor === undefined || clientAddress === undefined) return undefined;
  const readOnly = readAttribute(`${sysRoot}/class/block/rbd${id}/ro`) === '1';
  const number = /\d+/.exec(attribute('client_id') ?? '')?.[0];
  const client = number === undefined ? undefined : `client.${number}`;
  return { id, location: { fsid, pool, namespace, image }, snapshot, major, minor, readOnly, clientAddress, client };
}
