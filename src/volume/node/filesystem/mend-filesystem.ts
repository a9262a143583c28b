/**
 * A filesystem that the kernel gave up (read-only after errors, shut down) or counted errors in is not staged: where no
 * pod stands on it, it is unmounted, checked and mounted anew. Needs no cluster.
 */
import { deviceNumber } from '../../../host/device/block-device.js';
import { checkFilesystem } from '../../../host/filesystem/check/check-filesystem.js';
import { whyFilesystemSick, whyFilesystemStopped } from '../../../host/filesystem/filesystem-health.js';
import { mountAt, readMounts, topmostAt, type Mount } from '../../../host/mount/mountinfo.js';
import type { Exec } from '../../../host/process/exec.js';
import { podOfPath } from '../../../host/users/pod-of-process.js';
import { filesystemOfEntry, type JournalEntry } from '../../../journal/entry.js';
import { flagsDigest } from '../../../journal/flags-digest.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { NodeOperation, Operation } from '../../operation/operations.js';
import type { Mappers } from '../node-mappers.js';
import type { Publishing } from '../target/publish-target.js';
import { refuseOpenDevice } from './refuse-open-device.js';
import { mountStaged, unmountStaged } from './staging-mount.js';

export interface MendParts {
  readonly exec: Exec;
  readonly journal: Pick<Journal, 'write'>;
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** A staged volume whose filesystem this node mounts. */
type Staged = Pick<Publishing, 'entry' | 'mapping' | 'live'>;

/**
 * Take the staging mount away where its filesystem is sick, and say in the journal why: true where it is to be checked
 * and mounted anew. Errors that the kernel has only counted wait until no pod stands on it. BERTH_FILESYSTEM_STOPPED
 * where one does and it takes no more writes, BERTH_VOLUME_IN_USE where somebody else has the device open.
 */
export async function unmountSick(
  parts: MendParts,
  { entry, mapping, live }: Staged,
  operation: Operation<'write mending' | 'unmount sick'>,
  deadline: Deadline,
): Promise<boolean> {
  const { volume, stagingPath, readOnly } = entry;
  const { mount, pods } = await lookAt(stagingPath, mapping, Object.keys(live));
  if (mount === undefined) return entry.mending === true;
  const stopped = await whyFilesystemStopped(parts.exec, mount, readOnly, deadline);
  if (pods.length > 0) {
    if (stopped === undefined) return false;
    throw berthError('BERTH_FILESYSTEM_STOPPED', { volume, why: stopped, who: pods.map(describe).join(', ') });
  }
  // A reader's device takes no repair, so what the kernel has counted in it stays counted.
  const why = stopped ?? (readOnly ? undefined : whyFilesystemSick(mount, readOnly));
  if (why === undefined) return false;
  parts.log.warn({ volume, why }, 'the filesystem is unmounted, to be checked and mounted anew');
  operation.step('write mending');
  await parts.journal.write({ ...entry, mending: true });
  operation.step('unmount sick');
  await unmountStaged(parts, stagingPath, mapping.device, deadline);
  await refuseOpenDevice(parts, volume, mapping, deadline);
  return true;
}

/**
 * Before a pod is given the volume: the entry with its filesystem well again. What is published at the very target
 * stays as it is. Errors of {@link unmountSick}, of check and mount; BERTH_NOT_STAGED where it was staged with other
 * flags than these, which nobody else knows.
 */
export async function mendForPublish(
  parts: MendParts,
  publishing: Pick<Publishing, 'entry' | 'mapping' | 'live' | 'targetPath' | 'capability'>,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<JournalEntry> {
  const { entry, mapping, live, targetPath, capability } = publishing;
  const { volume, stagingPath, readOnly } = entry;
  if (targetPath in live || capability.access.kind === 'block') return entry;
  if (!(await unmountSick(parts, publishing, operation, deadline))) return mended(entry);
  if (flagsDigest(capability) !== entry.flagsDigest)
    throw berthError('BERTH_NOT_STAGED', { volume, path: stagingPath });
  const { device } = mapping;
  const type = filesystemOfEntry(entry);
  operation.step('check sick');
  if (!readOnly) await checkFilesystem(parts.exec, device, type, deadline);
  operation.step('mount anew');
  const flags = capability.access.mountFlags;
  await mountStaged(parts, { device, stagingPath, type, flags, readOnly }, deadline);
  await refuseStillStopped(parts, entry, deadline);
  return mended(entry);
}

/** The entry of a volume whose filesystem is mounted and well. */
export const mended = (entry: JournalEntry): JournalEntry => ({ ...entry, mending: undefined });

/**
 * A mount that nobody sees from here (a mount namespace without a process) keeps the old filesystem, and a new mount
 * shows that one again: BERTH_FILESYSTEM_STOPPED.
 */
export async function refuseStillStopped(
  parts: Pick<MendParts, 'exec'>,
  staged: Pick<JournalEntry, 'volume' | 'stagingPath' | 'readOnly'>,
  deadline: Deadline,
): Promise<void> {
  const why = await whyStoppedAt(parts, staged, deadline);
  if (why === undefined) return;
  const who = 'a mount namespace that cannot be seen from here';
  throw berthError('BERTH_FILESYSTEM_STOPPED', { volume: staged.volume, why, who });
}

/** Why the kernel has given up what is mounted at the staging path; undefined where it is well, or nothing is there. */
export async function whyStoppedAt(
  { exec }: Pick<MendParts, 'exec'>,
  { stagingPath, readOnly }: Pick<JournalEntry, 'stagingPath' | 'readOnly'>,
  deadline: Deadline,
): Promise<string | undefined> {
  const mount = await mountAt(stagingPath);
  return mount && (await whyFilesystemStopped(exec, mount, readOnly, deadline));
}

/** The staging mount, and where pods have it: the paths of the journal, and other mounts of the device here. */
async function lookAt(
  stagingPath: string,
  mapping: Mapping,
  live: readonly string[],
): Promise<{ readonly mount: Mount | undefined; readonly pods: readonly string[] }> {
  const mounts = await readMounts();
  const mount = topmostAt(mounts, stagingPath);
  if (mount === undefined) return { mount, pods: [] };
  const number = await deviceNumber(mapping.device);
  const isOther = ({ device, target }: Mount): boolean => device === number && target !== stagingPath;
  const pods = [...new Set([...live, ...mounts.filter(isOther).map(({ target }) => target)])];
  return { mount, pods };
}

function describe(target: string): string {
  const pod = podOfPath(target);
  return pod === undefined ? target : `pod ${pod} (at ${target})`;
}
