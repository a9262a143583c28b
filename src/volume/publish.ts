/** NodePublish: give a staged volume to one pod, by the rules of the specification's table for a second target. */
import { checkAbsolute, resolveTarget } from '../host/paths.js';
import { mountAt } from '../host/mountinfo.js';
import type { JournalEntry, JournalTarget } from '../journal/entry.js';
import { allowsManyTargets, isReaderMode, type Capability } from '../model/capability.js';
import { Deadline } from '../model/deadline.js';
import { fail, isBerthError } from '../model/errors.js';
import type { Mapping } from '../rbd/mapping/mapper.js';
import { isShownAt, show, withdraw, type HostVolume } from '../sandbox/host.js';
import { checkCapabilities } from './capability-rules.js';
import { noteWherePossible } from './journal-trouble.js';
import { mappingOf, UNDO_MS, type NodeOperation, type NodeRoom } from './node-room.js';
import { flagsDigest } from './stage.js';
import { isMountedFrom } from './staging-mount.js';

export interface PublishVolume {
  readonly volume: string;
  readonly stagingPath: string;
  readonly targetPath: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
}

/** NOT_STAGED, SINGLE_WRITER, PUBLISHED_OTHERWISE, READONLY_MISMATCH, TARGET_OCCUPIED. */
export async function publishVolume(room: NodeRoom, request: PublishVolume, deadline: Deadline): Promise<void> {
  checkCapabilities([request.capability]);
  checkAbsolute('staging_target_path', request.stagingPath);
  checkAbsolute('target_path', request.targetPath);
  const stagingPath = await resolveTarget('staging_target_path', request.stagingPath);
  const targetPath = await resolveTarget('target_path', request.targetPath);
  if (targetPath === stagingPath) throw fail('FIELD_INVALID', { field: 'target_path', why: 'it is the staging path' });
  const { volume, capability } = request;
  const readOnly = isReadOnly(request);
  const what = { op: 'publish', fingerprint: JSON.stringify([stagingPath, targetPath, capability, readOnly]) } as const;
  await room.operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const entry = await room.journal.read(volume);
    const mapping = entry?.state === 'staged' ? await mappingOf(room, entry, deadline) : undefined;
    const isThere =
      mapping !== undefined && (entry?.access === 'block' || (await isMountedFrom(stagingPath, mapping.device)));
    // A staging path that lost its mount is a directory of the host: bound into a pod it would take the data and lose it.
    if (entry === undefined || mapping === undefined || entry.stagingPath !== stagingPath || !isThere) {
      throw fail('NOT_STAGED', { volume, path: stagingPath });
    }
    const live = await liveTargets(entry);
    checkSecondTarget(entry, live, { targetPath, capability, readOnly });
    const shown = hostVolume(entry, mapping, readOnly);
    if (targetPath in live) return show(room.exec, shown, targetPath, operation.step, deadline);
    operation.step('write target');
    const target: JournalTarget = { readOnly, mode: capability.mode, flagsDigest: flagsDigest(capability) };
    const next = { ...entry, targets: { ...live, [targetPath]: target } };
    await room.journal.write(next);
    try {
      await show(room.exec, shown, targetPath, operation.step, deadline);
    } catch (error) {
      // Refused before anything was made: what lies there is somebody else's, and stays even where it is empty.
      if (isBerthError(error, 'TARGET_OCCUPIED', 'FIELD_INVALID'))
        await noteWherePossible(room, volume, () => room.journal.write({ ...entry, targets: live }));
      else await undo(room, { ...entry, targets: live }, shown, targetPath, operation);
      throw error;
    }
  });
}

const isReadOnly = ({ readOnly, capability: { mode, access } }: PublishVolume): boolean =>
  readOnly || isReaderMode(mode) || (access.kind === 'mount' && access.mountFlags.includes('ro'));

export const hostVolume = (entry: JournalEntry, mapping: Mapping, readOnly: boolean): HostVolume => ({
  kind: entry.access,
  source: entry.access === 'mount' ? entry.stagingPath : mapping.device,
  device: mapping.device,
  readOnly,
});

/** Targets that the journal knows and the kernel still shows; the others died with a reboot or a foreign umount. */
async function liveTargets(entry: JournalEntry): Promise<Readonly<Record<string, JournalTarget>>> {
  const live: Record<string, JournalTarget> = {};
  for (const [path, target] of Object.entries(entry.targets))
    if ((await mountAt(path)) !== undefined) live[path] = target;
  return live;
}

interface Wanted {
  readonly targetPath: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
}

/** The table of CSI 1.12 (NodePublishVolume): same target, other arguments; other target, by access mode. */
function checkSecondTarget(entry: JournalEntry, live: Readonly<Record<string, JournalTarget>>, wanted: Wanted): void {
  const { volume } = entry;
  const { targetPath, capability, readOnly } = wanted;
  const same = live[targetPath];
  if (capability.access.kind !== entry.access) {
    throw fail('READONLY_MISMATCH', {
      volume,
      why: `it is staged as ${entry.access}, asked for ${capability.access.kind}`,
    });
  }
  if (same !== undefined) {
    const what = differenceOf(entry, same, wanted);
    if (what !== undefined) throw fail('PUBLISHED_OTHERWISE', { volume, path: targetPath, what });
    return;
  }
  if (entry.readOnly && !readOnly)
    throw fail('READONLY_MISMATCH', { volume, why: 'it is staged read-only, asked for writable' });
  const [other] = Object.keys(live);
  if (other === undefined) return;
  if (!allowsManyTargets(capability.mode)) throw fail('SINGLE_WRITER', { volume, path: other });
  // A raw device has one read-only switch for all who have it open.
  if (entry.access === 'block' && Object.values(live).some((one) => one.readOnly !== readOnly)) {
    throw fail('READONLY_MISMATCH', {
      volume,
      why: 'a read-only and a writable pod cannot share one raw block device',
    });
  }
}

function differenceOf(entry: JournalEntry, same: JournalTarget, { capability, readOnly }: Wanted): string | undefined {
  const { access, mode } = capability;
  if (same.readOnly !== readOnly) return 'readonly flag';
  if (same.mode !== mode) return 'access mode';
  if (access.kind === 'mount' && access.fsType !== undefined && access.fsType !== entry.fsType) return 'filesystem';
  const flags = flagsDigest(capability);
  return (same.flagsDigest ?? flags) === flags ? undefined : 'set of mount flags';
}

async function undo(
  room: NodeRoom,
  entry: JournalEntry,
  shown: HostVolume,
  targetPath: string,
  operation: NodeOperation<'publish'>,
): Promise<void> {
  operation.step('undo target');
  const deadline = Deadline.after(UNDO_MS);
  try {
    await withdraw(
      room.exec,
      targetPath,
      () => isShownAt(shown, targetPath),
      () => undefined,
      deadline,
    );
  } catch (error) {
    // Something that is not ours is at the target: it stays, and only our intent is taken back.
    room.log.warn(
      { volume: entry.volume, target: targetPath, err: error },
      'the target of a failed publish was left as it is',
    );
  }
  operation.step('undo journal');
  if (!(await isShownAt(shown, targetPath)))
    await noteWherePossible(room, entry.volume, () => room.journal.write(entry));
}
