/** NodePublish: give a staged volume to one pod, on the host or in its virtual machine. */
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import { podOfPath } from '../../host/users/pod-of-process.js';
import type { JournalEntry, JournalTarget } from '../../journal/entry.js';
import { isMountedHere } from '../../journal/entry.js';
import { isReaderMode, type Capability } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { Mapping } from '../../rbd/mapping/mapper.js';
import type { Sandbox, SandboxWish } from '../../sandbox/choose-sandbox.js';
import { checkPod, type Pod } from '../../sandbox/pod.js';
import { checkCapabilities } from '../image/capability-rules.js';
import type { NodeOperation } from '../operation/operations.js';
import { type NodeRoom } from './node-room.js';
import { publishOnHost } from './publish-on-host.js';
import { publishToGuest } from './guest/publish-to-guest.js';
import type { SandboxParameters } from '../image/parameters.js';
import type { Credentials } from '../image/find-volume.js';
import { isMountedFrom } from './filesystem/staging-mount.js';
import { checkSecondTarget, liveTargets, refuseBesideGuest } from './published-targets.js';

export interface PublishVolume {
  readonly volume: string;
  readonly stagingPath: string;
  readonly targetPath: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
  /** As the PersistentVolume says; undefined where it says nothing. */
  readonly sandbox?: SandboxParameters | undefined;
  /** Undefined where the orchestrator does not say. */
  readonly pod?: Pod | undefined;
  readonly secrets?: Credentials | undefined;
}

/**
 * BERTH_NOT_STAGED, BERTH_SINGLE_WRITER, BERTH_PUBLISHED_OTHERWISE, BERTH_READONLY_MISMATCH, BERTH_TARGET_OCCUPIED;
 * with virtual machines also BERTH_KATA_ONE_POD, BERTH_KATA_RECORD_FAILED, BERTH_HOST_MOUNT_REFUSED,
 * BERTH_VOLUME_IN_USE, BERTH_POD_CHANGED and BERTH_SANDBOX_UNKNOWN.
 */
export async function publishVolume(room: NodeRoom, request: PublishVolume, deadline: Deadline): Promise<void> {
  const checked = await checkPublish(request);
  const { volume, stagingPath, targetPath, askedPath, capability, readOnly, pod } = checked;
  const asked = [stagingPath, targetPath, askedPath, capability, readOnly, pod];
  const what = { op: 'publish', fingerprint: JSON.stringify(asked) } as const;
  await room.operations.run(volume, what, deadline, (operation, deadline) =>
    publishWithin(room, checked, operation, deadline),
  );
}

/** A request that may be asked for, with its paths resolved and what makes it read-only in one flag. */
export interface CheckedPublish extends PublishVolume {
  /** The target path as the orchestrator spelled it. */
  readonly askedPath: string;
}

export async function checkPublish(request: PublishVolume): Promise<CheckedPublish> {
  checkCapabilities([request.capability]);
  checkAbsolute('staging_target_path', request.stagingPath);
  checkAbsolute('target_path', request.targetPath);
  const stagingPath = await resolveTarget('staging_target_path', request.stagingPath);
  const targetPath = await resolveTarget('target_path', request.targetPath);
  if (targetPath === stagingPath)
    throw berthError('BERTH_FIELD_INVALID', { field: 'target_path', why: 'it is the staging path' });
  checkPod(request.pod, podOfPath(targetPath));
  return { ...request, stagingPath, targetPath, askedPath: request.targetPath, readOnly: isReadOnly(request) };
}

/** Publish within an operation of the volume that runs already. */
export async function publishWithin(
  room: NodeRoom,
  request: CheckedPublish,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  const { volume, stagingPath, targetPath, askedPath, capability, readOnly, pod, secrets } = request;
  operation.step('look');
  const { entry, mapping } = await mustBeStaged(room, volume, stagingPath, deadline);
  const live = await liveTargets(entry);
  const wish = request.sandbox?.sandbox ?? entry.guest?.wish;
  const sandbox = await sandboxFor(room, entry, live[targetPath], { pod, wish });
  refuseBesideGuest(volume, live, targetPath, sandbox);
  checkSecondTarget(entry, live, { targetPath, capability, readOnly });
  const publishing = {
    entry,
    mapping,
    live,
    targetPath,
    askedPath,
    capability,
    readOnly,
    secrets,
  };
  if (sandbox === 'kata') await publishToGuest(room, publishing, operation, deadline);
  else await publishOnHost(room, publishing, operation, deadline);
}

const isReadOnly = ({ readOnly, capability: { mode, access } }: PublishVolume): boolean =>
  readOnly || isReaderMode(mode) || (access.kind === 'mount' && access.mountFlags.includes('ro'));

async function mustBeStaged(
  room: NodeRoom,
  volume: string,
  stagingPath: string,
  deadline: Deadline,
): Promise<{ readonly entry: JournalEntry; readonly mapping: Mapping }> {
  const entry = await room.journal.read(volume);
  const mapping = entry?.state === 'staged' ? await room.mappers.mappingOf(entry, deadline) : undefined;
  if (entry === undefined || mapping === undefined || entry.stagingPath !== stagingPath) {
    throw berthError('BERTH_NOT_STAGED', { volume, path: stagingPath });
  }
  // A staging path that lost its mount is a directory of the host: bound into a pod it would take the data and lose it.
  if (isMountedHere(entry) && !(await isMountedFrom(stagingPath, mapping.device))) {
    throw berthError('BERTH_NOT_STAGED', { volume, path: stagingPath });
  }
  return { entry, mapping };
}

/** @param same what is published at this target already: its pod keeps what it has */
async function sandboxFor(
  room: NodeRoom,
  { volume, access }: JournalEntry,
  same: JournalTarget | undefined,
  { pod, wish }: { readonly pod: Pod | undefined; readonly wish: SandboxWish | undefined },
): Promise<Sandbox> {
  // The device node is bound for either: Kata's runtimes plug what they find under linux.devices by themselves.
  if (access === 'block') return 'host';
  if (same !== undefined) return same.sandbox ?? 'host';
  const choice = await room.chooseSandbox(pod, wish);
  room.log.debug({ volume, pod, ...choice }, 'sandbox chosen');
  return choice.sandbox;
}
