/** What can honestly be said of a volume whose filesystem only a guest's kernel knows: its shim's numbers, or none. */
import type { FilesystemUsage } from '../../../host/filesystem/filesystem-usage.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import { isDirectVolumeAt } from '../../../sandbox/kata/direct-volume.js';
import type { KataRecords } from '../../../sandbox/kata/kata-records.js';
import { volumeOf } from '../../../sandbox/kata/kata-record.js';
import { Shim } from '../../../sandbox/kata/shim.js';

export interface GuestStats {
  readonly usage: FilesystemUsage | undefined;
  /** What is wrong: nothing as a rule. */
  readonly sick: readonly string[];
  /** Why there is no usage. */
  readonly note: string | undefined;
}

/** What asking the monitor (the shim) of a pod's virtual machine takes. */
export interface ShimParts {
  readonly kataRecords: Pick<KataRecords, 'sandboxOf'>;
  /** Where the monitor sockets of Kata's sandboxes are. */
  readonly shimRoots: readonly string[];
}

export interface GuestStatsParts extends ShimParts {
  readonly kataRecords: Pick<KataRecords, 'sandboxOf' | 'read'>;
}

/** @param path resolved, a target or the staging path */
export async function guestStats(
  { kataRecords: records, shimRoots }: GuestStatsParts,
  { volume, targets }: JournalEntry,
  { device }: Mapping,
  path: string,
  deadline: Deadline,
): Promise<GuestStats> {
  const target = targets[path];
  if (target === undefined) return { usage: undefined, sick: [], note: 'no guest has it' };
  const sick: string[] = [];
  const asked = target.asked ?? path;
  const found = await Promise.all([path, asked].map((key) => records.read(key)));
  if (found.some((one) => volumeOf(one?.info) !== volume || one?.info?.device !== device))
    sick.push('its Kata record is gone or changed: a container that starts anew would not find the volume');
  if (!(await isDirectVolumeAt(volume, path))) sick.push(`the guard at ${path} is gone`);
  const sandbox = (await records.sandboxOf(asked)) ?? (await records.sandboxOf(path));
  if (sandbox === undefined) return { usage: undefined, sick, note: 'its runtime has not said which sandbox took it' };
  const said = await new Shim(sandbox, shimRoots).usage(device, deadline);
  if ('why' in said) return { usage: undefined, sick, note: said.why };
  const { bytes, inodes = { total: 0n, used: 0n, available: 0n } } = said.answer;
  return { usage: { bytes, inodes }, sick, note: undefined };
}
