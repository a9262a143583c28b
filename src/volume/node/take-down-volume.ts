/**
 * What the journal knows of a staged volume is unmounted and unmapped, by the kernel alone; the entry stays, as
 * `unstaging`. Reaches neither Ceph nor Kubernetes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readMounts, topmostAt, type Mount } from '../../host/mount/mountinfo.js';
import type { Exec } from '../../host/process/exec.js';
import { podOfPath } from '../../host/users/pod-of-process.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { settleAll } from '../../model/settle-all.js';
import type { Logger } from '../../observe/log.js';
import type { Mapper, Mapping } from '../../rbd/mapping/mapper.js';
import { sweepRecords } from '../../sandbox/kata/direct-volume.js';
import type { KataRecords } from '../../sandbox/kata/kata-records.js';
import type { Operation } from '../operation/operations.js';
import { isDead, unmountDead } from './filesystem/dead-mount.js';
import { isMountOf, unmountStaged } from './filesystem/staging-mount.js';
import { writeIfPossible } from './journal-faults.js';
import type { Mappers } from './node-mappers.js';

/** How long an unmap is tried again while the device is busy, and the pause between, in ms. */
const GUEST_END_MS = 10_000;
const GUEST_PAUSE_MS = 500;

export interface TakeDownParts {
  readonly journal: Pick<Journal, 'note'>;
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly kataRecords: KataRecords;
  readonly exec: Exec;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * BERTH_VOLUME_IN_USE while a target is still published, BERTH_DEVICE_UNSERVED while its data waits for a new daemon,
 * BERTH_UNMOUNT_BUSY, BERTH_UNMAP_BUSY.
 */
export async function takeDownRecorded(
  parts: TakeDownParts,
  entry: JournalEntry,
  operation: Operation<'write unstaging' | 'unmount' | 'unmap'>,
  deadline: Deadline,
): Promise<void> {
  const { journal, mappers, kataRecords, exec } = parts;
  const mapping = await mappers.mappingOf(entry, deadline);
  await refuseInUse(mappers, entry, mapping);
  operation.step('write unstaging');
  // What is to be undone is in the journal already: without this line a crash leads to the same undoing, or to a stage
  // that goes on from what is left. So the unmount need not wait for it.
  const noting = writeIfPossible(parts, entry.volume, () => journal.note({ ...entry, state: 'unstaging' }));
  // Nobody else maps or unmaps a volume while this runs, and each act looks for itself at what it takes away.
  operation.step('unmount');
  await settleAll(unmountRecorded({ exec }, entry, mapping, deadline), noting);
  if (mapping === undefined) return;
  operation.step('unmap', mapping.device);
  const mapper = mappers.named(entry.mapper);
  if (entry.guest === undefined) return mapper.unmap(mapping, deadline);
  await sweepRecords(kataRecords, entry.volume);
  await unmapAfterGuest(mapper, mapping, deadline);
}

/** BERTH_VOLUME_IN_USE, BERTH_DEVICE_UNSERVED. */
async function refuseInUse(
  mappers: Pick<Mappers, 'named'>,
  entry: JournalEntry,
  mapping: Mapping | undefined,
): Promise<void> {
  const mounts = await readMounts();
  refusePublished(entry, mapping, mounts);
  await refuseUnserved(mappers, entry, mapping, mounts);
}

async function unmountRecorded(
  parts: Pick<TakeDownParts, 'exec'>,
  entry: JournalEntry,
  mapping: Mapping | undefined,
  deadline: Deadline,
): Promise<void> {
  if (mapping === undefined) await unmountDead(parts, entry, entry.stagingPath, deadline);
  else if (entry.access === 'mount') await unmountStaged(parts, entry.stagingPath, mapping.device, deadline);
}

/**
 * A target that the journal knows and the kernel still has:
 * the orchestrator has to unpublish it first (CSI 1.12, NodeUnstageVolume).
 */
function refusePublished(entry: JournalEntry, mapping: Mapping | undefined, mounts: readonly Mount[]): void {
  for (const target of Object.keys(entry.targets)) {
    const mount = topmostAt(mounts, target);
    if (mapping === undefined ? !isDead(entry, target, mount) : mount === undefined) continue;
    const pod = podOfPath(target);
    const who = pod === undefined ? `the pod at ${target}` : `pod ${pod} (at ${target})`;
    throw berthError('BERTH_VOLUME_IN_USE', { volume: entry.volume, who });
  }
}

/**
 * An unmount would wait for the new daemon in a child that nobody can kill, and keep the volume busy so that it gets
 * none. Reconciliation starts one, or cuts the device off where the volume is not this node's any more.
 */
async function refuseUnserved(
  mappers: Pick<Mappers, 'named'>,
  { volume, mapper, access, readOnly, stagingPath }: JournalEntry,
  mapping: Mapping | undefined,
  mounts: readonly Mount[],
): Promise<void> {
  if (access !== 'mount' || readOnly || mapping === undefined) return;
  if (!(await isMountOf(topmostAt(mounts, stagingPath), mapping.device))) return;
  const why = await mappers.named(mapper).whyAwaitsServer?.(mapping);
  if (why !== undefined) throw berthError('BERTH_DEVICE_UNSERVED', { device: mapping.device, volume, why });
}

/**
 * A virtual machine ends after its pod is gone for the orchestrator: its monitor is waited for, and named where it
 * stays. BERTH_UNMAP_BUSY.
 */
async function unmapAfterGuest(mapper: Pick<Mapper, 'unmap'>, mapping: Mapping, deadline: Deadline): Promise<void> {
  const patience = deadline.within(GUEST_END_MS);
  for (;;) {
    try {
      await mapper.unmap(mapping, deadline);
      return;
    } catch (error) {
      if (!isBerthError(error, 'BERTH_UNMAP_BUSY') || patience.expired) throw error;
      await sleep(GUEST_PAUSE_MS);
    }
  }
}
