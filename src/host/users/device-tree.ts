/** A block device, its partitions and everything that stands on it, from sysfs. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface DeviceTree {
  /** `major:minor` of all of them. */
  readonly numbers: ReadonlySet<string>;
  /** Names of their nodes: `rbd0`, `rbd0p1`, `dm-0`, and a mapped device's own name. */
  readonly names: ReadonlySet<string>;
  /** What stands on the device, for a person: `dm-0 (cryptroot)`. */
  readonly devicesOnTop: readonly string[];
}

/** A loop in the tree cannot be, but sysfs changes while it is read. */
const DEEPEST = 8;
/** The kernel appends it to a file that has no name any more. */
const DELETED = / \(deleted\)$/;

/** Empty where there is no such device. */
export function deviceTree(name: string, sysRoot: string): DeviceTree {
  const numbers = new Set<string>();
  const names = new Set<string>();
  const devicesOnTop: string[] = [];
  const climb = (one: string, directory: string, depth: number): void => {
    if (names.has(one) || depth > DEEPEST) return;
    const number = attribute(directory, 'dev');
    if (number === undefined && depth > 0) return;
    names.add(one);
    if (number !== undefined) numbers.add(number);
    const mapped = attribute(directory, 'dm/name');
    if (mapped !== undefined) names.add(mapped);
    for (const partition of entries(directory).filter((entry) => entry.startsWith(one))) {
      climb(partition, path.join(directory, partition), depth + 1);
    }
    for (const holder of entries(path.join(directory, 'holders'))) {
      const above = path.join(sysRoot, 'class/block', holder);
      const label = attribute(above, 'dm/name');
      devicesOnTop.push(label === undefined ? holder : `${holder} (${label})`);
      climb(holder, above, depth + 1);
    }
  };
  climb(name, path.join(sysRoot, 'class/block', name), 0);
  return { numbers, names, devicesOnTop };
}

/** Loop devices whose file is one of these: the kernel itself has that file open, and no process shows it. */
export function loopsOf(sysRoot: string, isSought: (file: string) => boolean): readonly string[] {
  const loops = entries(path.join(sysRoot, 'block')).filter((name) => /^loop\d+$/.test(name));
  return loops.filter((name) => {
    const file = attribute(path.join(sysRoot, 'block', name), 'loop/backing_file');
    return file !== undefined && isSought(file.replace(DELETED, ''));
  });
}

function attribute(directory: string, name: string): string | undefined {
  try {
    return readFileSync(path.join(directory, name), 'utf8').replace(/\n$/, '');
  } catch {
    // Not there, or going away.
    return undefined;
  }
}

function entries(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
