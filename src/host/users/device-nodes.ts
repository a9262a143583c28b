/**
 * Device nodes under other names and in other places:
 * bind mounts of them, and those that a runtime makes inside a container.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { deviceNumber, formatDeviceNumber } from '../device/block-device.js';
import type { Mount } from '../mount/mountinfo.js';
import type { Descriptor } from '../process/process-links.js';
import type { DeviceTree } from './device-tree.js';

/** Is this a mount of one of the devices, or a bind mount of one's node? */
export async function isMountOfTree(mount: Mount, tree: DeviceTree, namespace: 'ours' | 'foreign'): Promise<boolean> {
  if (tree.numbers.has(mount.device)) return true;
  if (!tree.names.has(path.posix.basename(mount.root))) return false;
  if (mount.fsType === 'devtmpfs') return true;
  // In a tmpfs any file may have that name; it is examined where the path is ours to follow.
  if (mount.fsType !== 'tmpfs' || namespace === 'foreign') return false;
  return tree.numbers.has(await deviceNumber(mount.target).catch(() => ''));
}

/**
 * Does a process of another mount namespace have one of the devices open by a node that a container runtime made under
 * `/dev` there (a raw block volume at its `devicePath`)? Only nodes in such a /dev are examined: it is a tmpfs, which
 * answers from memory.
 */
export const isOpenUnderAnotherName = ({ file, target }: Descriptor, { numbers }: DeviceTree): boolean =>
  isOtherNode(target) && numbers.has(blockNumber(file) ?? '');

const isOtherNode = (target: string): boolean =>
  target.startsWith('/dev/') && !/^\/dev\/(null|zero|full|u?random|tty|ptmx|console|pts\/|shm\/|mqueue\/)/.test(target);

function blockNumber(file: string): string | undefined {
  try {
    const stats = statSync(file, { bigint: true });
    return stats.isBlockDevice() ? formatDeviceNumber(stats.rdev) : undefined;
  } catch {
    return undefined;
  }
}
