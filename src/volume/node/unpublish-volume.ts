/**
 * NodeUnpublish: take a volume from one pod and remove the target, by the journal and the kernel alone; it reaches
 * neither Ceph nor Kubernetes. What is not there is a success, what is not ours is not touched.
 */
import type { Mount } from '../../host/mount/mountinfo.js';
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import type { Exec } from '../../host/process/exec.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { settleAll } from '../../model/settle-all.js';
import type { Logger } from '../../observe/log.js';
import { isBoundBy, removeTarget, unmountAllAt } from '../../sandbox/bind-mount.js';
import { isGuard } from '../../sandbox/kata/guard.js';
import type { KataRecords } from '../../sandbox/kata/kata-records.js';
import type { NodeOperation, Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import { removeFromSandbox } from './target/remove-from-sandbox.js';
import { isDead } from './filesystem/dead-mount.js';
import { entryToUndo, writeIfPossible } from './journal-faults.js';
import type { Mappers } from './node-mappers.js';
import { hostVolume } from './target/published-targets.js';

export interface UnpublishParts {
  readonly now: () => Date;
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly journal: Pick<Journal, 'read' | 'note'>;
  readonly mappers: Pick<Mappers, 'mappingOf' | 'findUnrecorded'>;
  readonly kataRecords: KataRecords;
  readonly exec: Exec;
  readonly log: Pick<Logger, 'warn'>;
}

export interface UnpublishVolume {
  readonly volume: string;
  readonly targetPath: string;
}

/** BERTH_FIELD_INVALID for the staging path, BERTH_TARGET_OCCUPIED for what is not this volume, BERTH_UNMOUNT_BUSY. */
export async function unpublishVolume(
  parts: UnpublishParts,
  { volume, targetPath }: UnpublishVolume,
  deadline: Deadline,
): Promise<void> {
  checkAbsolute('target_path', targetPath);
  const path = await resolveTarget('target_path', targetPath);
  await parts.operations.run(volume, { op: 'unpublish', fingerprint: path }, deadline, (operation, deadline) =>
    unpublishWithin(parts, { volume, path, askedPath: targetPath }, operation, deadline),
  );
}

/** Unpublish within an operation of the volume that runs already. @param path resolved, and as it was asked for */
export async function unpublishWithin(
  parts: Omit<UnpublishParts, 'operations'>,
  { volume, path, askedPath }: { readonly volume: string; readonly path: string; readonly askedPath: string },
  operation: NodeOperation<'unpublish'>,
  deadline: Deadline,
): Promise<void> {
  const { journal, mappers, kataRecords, exec, now } = parts;
  operation.step('look');
  const read = await entryToUndo(parts, volume);
  const entry = read === 'damaged' ? undefined : read;
  // The staging mount is of this volume too, and every pod stands on it: only unstage takes it away.
  if (entry?.stagingPath === path)
    throw berthError('BERTH_FIELD_INVALID', { field: 'target_path', why: 'it is the staging path' });
  const target = entry?.targets[path];
  const given = { volume, path, askedPaths: [askedPath, target?.asked ?? path], target };
  await removeFromSandbox(kataRecords, given, operation.step);
  const isOursNow = (mount: Mount) => isOurs(mappers, { volume, entry, path, mount }, deadline);
  await unmountAllAt(exec, path, isOursNow, operation.step, deadline);
  operation.step('remove target');
  const removing = removeTarget(path);
  if (entry === undefined || target === undefined) return removing;
  // Nothing is mounted there any more, and an empty directory is removed by whoever comes again: neither waits.
  operation.step('write target');
  const targets = Object.fromEntries(Object.entries(entry.targets).filter(([other]) => other !== path));
  const left = { ...entry, targets, unpublished: now().toISOString() };
  await settleAll(
    removing,
    writeIfPossible(parts, volume, () => journal.note(left)),
  );
}

interface SeenAtTarget {
  readonly volume: string;
  readonly entry: JournalEntry | undefined;
  readonly path: string;
  /** What is on top there. */
  readonly mount: Mount;
}

/** The mount at the target has to be this volume, by the journal's mapping or by the kernel's. */
async function isOurs(
  mappers: UnpublishParts['mappers'],
  { volume, entry, path, mount }: SeenAtTarget,
  deadline: Deadline,
): Promise<boolean> {
  // The guard says itself whose it is, also when device and journal are gone.
  if (isGuard(mount, volume)) return true;
  if (entry !== undefined) {
    const mapping = await mappers.mappingOf(entry, deadline);
    return mapping === undefined ? isDead(entry, path, mount) : isBoundBy(mount, hostVolume(entry, mapping, false));
  }
  const mapping = await mappers.findUnrecorded(volume, deadline);
  if (mapping === undefined) return false;
  for (const kind of ['mount', 'block'] as const) {
    if (await isBoundBy(mount, { kind, source: '', device: mapping.device, readOnly: false })) return true;
  }
  return false;
}
