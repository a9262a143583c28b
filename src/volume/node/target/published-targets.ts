/**
 * The targets that a volume has on this node, and whether another
 * one may join them (the table of CSI 1.12, NodePublishVolume).
 */
import { readMounts, topmostAt, type Mount } from '../../../host/mount/mountinfo.js';
import type { JournalEntry, JournalTarget } from '../../../journal/entry.js';
import { flagsDigest } from '../../../journal/flags-digest.js';
import { allowsManyTargets, type Capability } from '../../../model/capability.js';
import { berthError } from '../../../model/errors.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { HostVolume } from '../../../sandbox/bind-mount.js';
import { HAS_OWN_KERNEL, type Sandbox } from '../../../sandbox/choose-sandbox.js';

export type Targets = Readonly<Record<string, JournalTarget>>;

/** Targets that the journal knows and the kernel still shows; the others died with a reboot or a foreign umount. */
export const liveTargets = async (entry: JournalEntry): Promise<Targets> => liveAmong(await readMounts(), entry);

/** {@link liveTargets} by a table that was read before. */
export const liveAmong = (mounts: readonly Mount[], { targets }: Pick<JournalEntry, 'targets'>): Targets =>
  Object.fromEntries(Object.entries(targets).filter(([path]) => topmostAt(mounts, path) !== undefined));

/** What a pod of the host is shown of a staged volume: its filesystem, or its device node. */
export const hostVolume = (
  { access, stagingPath }: Pick<JournalEntry, 'access' | 'stagingPath'>,
  { device }: Pick<Mapping, 'device'>,
  readOnly: boolean,
): HostVolume => ({ kind: access, source: access === 'mount' ? stagingPath : device, device, readOnly });

export interface Wanted {
  readonly targetPath: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
}

/**
 * Refuses the same target with other arguments, and another target that the access mode does not allow.
 * BERTH_PUBLISHED_OTHERWISE, BERTH_READONLY_MISMATCH, BERTH_SINGLE_WRITER.
 */
export function checkSecondTarget(entry: JournalEntry, live: Targets, wanted: Wanted): void {
  const { volume } = entry;
  const { targetPath, capability, readOnly } = wanted;
  const same = live[targetPath];
  if (capability.access.kind !== entry.access) {
    throw berthError('BERTH_READONLY_MISMATCH', {
      volume,
      why: `it is staged as ${entry.access}, asked for ${capability.access.kind}`,
    });
  }
  if (same !== undefined) {
    const what = differenceOf(entry, same, wanted);
    if (what !== undefined) throw berthError('BERTH_PUBLISHED_OTHERWISE', { volume, path: targetPath, what });
    return;
  }
  if (entry.readOnly && !readOnly)
    throw berthError('BERTH_READONLY_MISMATCH', { volume, why: 'it is staged read-only, asked for writable' });
  const [other] = Object.keys(live);
  if (other === undefined) return;
  if (!allowsManyTargets(capability.mode)) throw berthError('BERTH_SINGLE_WRITER', { volume, path: other });
  // A raw device has one read-only switch for all who have it open.
  if (entry.access === 'block' && Object.values(live).some((one) => one.readOnly !== readOnly)) {
    throw berthError('BERTH_READONLY_MISMATCH', {
      volume,
      why: 'a read-only and a writable pod cannot share one raw block device',
    });
  }
}

/**
 * A guest and anybody else would be two kernels on one filesystem: BERTH_KATA_ONE_POD, whatever the access mode allows.
 */
export function refuseBesideGuest(volume: string, live: Targets, targetPath: string, sandbox: Sandbox): void {
  const others = Object.entries(live).filter(([path]) => path !== targetPath);
  const isAlone = ([, target]: readonly [string, JournalTarget]) => HAS_OWN_KERNEL[target.sandbox ?? 'host'];
  const other = HAS_OWN_KERNEL[sandbox] ? others[0] : others.find(isAlone);
  if (other !== undefined) throw berthError('BERTH_KATA_ONE_POD', { volume, path: other[0] });
}

function differenceOf(entry: JournalEntry, same: JournalTarget, { capability, readOnly }: Wanted): string | undefined {
  const { access, mode } = capability;
  if (same.readOnly !== readOnly) return 'readonly flag';
  if (same.mode !== mode) return 'access mode';
  if (access.kind === 'mount' && access.fsType !== undefined && access.fsType !== entry.fsType) return 'filesystem';
  const flags = flagsDigest(capability);
  return (same.flagsDigest ?? flags) === flags ? undefined : 'set of mount flags';
}
