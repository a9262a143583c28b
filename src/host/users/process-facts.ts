/** What /proc tells of one process: its name, its pod, its table of mounts. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseMountinfo, type Mount } from '../mount/mountinfo.js';
import type { Owner } from './describe-users.js';
import type { DeviceTree } from './device-tree.js';
import { homeOfCgroup, podOfMounts } from './pod-of-process.js';

/**
 * Whose process it is, read only for processes that an error names: the cgroup says the pod, and where it does not,
 * the mounts of a namespace of its own.
 */
export function ownerOf(procRoot: string, pid: number): Owner {
  const home = homeOfCgroup(text(procRoot, pid, 'cgroup'));
  const pod = home.pod ?? podOfMounts(tableOf(procRoot, pid, (line) => line.includes('/pods/')));
  const name = text(procRoot, pid, 'comm').trim();
  return { pid, name: name === '' ? 'a process that has ended' : name, ...home, ...(pod === undefined ? {} : { pod }) };
}

/** The mounts that a process sees; none where it has ended. */
export function tableOf(procRoot: string, pid: number | 'self', wanted?: (line: string) => boolean): readonly Mount[] {
  const table = text(procRoot, pid, 'mountinfo');
  return parseMountinfo(wanted === undefined ? table : table.split('\n').filter(wanted).join('\n'));
}

/** Can this line of mountinfo be about one of the devices? True too often rather than too seldom. */
export function mentions(line: string, { numbers, names }: DeviceTree): boolean {
  const [, , number = '', root = ''] = line.split(' ', 4);
  return numbers.has(number) || names.has(path.posix.basename(root));
}

function text(procRoot: string, pid: number | 'self', file: 'cgroup' | 'comm' | 'mountinfo'): string {
  try {
    return readFileSync(path.join(procRoot, String(pid), file), 'utf8');
  } catch {
    return '';
  }
}
