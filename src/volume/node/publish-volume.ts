/**
 * NodePublish: give a staged volume to one pod, on the host or in its virtual machine. It asks Kubernetes for the pod's
 * RuntimeClass, and reaches Ceph only to mark the image of a volume that a guest is about to write to.
 */
import { readMounts, topmostAt } from '../../host/mount/mountinfo.js';
import { refuseOtherGrant } from '../../attachment/decide-take.js';
import type { NodeIdentity } from '../../attachment/node-identity.js';
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import { podOfPath } from '../../host/users/pod-of-process.js';
import type { JournalEntry, JournalTarget } from '../../journal/entry.js';
import { isMountedHere } from '../../journal/entry.js';
import { asksReadOnly, type Capability } from '../../model/capability.js';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { settleAll } from '../../model/settle-all.js';
import type { Logger } from '../../observe/log.js';
import type { Mapping } from '../../rbd/mapping/mapper.js';
import type { Choice, Sandbox, SandboxWish } from '../../sandbox/choose-sandbox.js';
import { checkPod, type Pod } from '../../sandbox/pod.js';
import { checkCapabilities } from '../image/capability-rules.js';
import type { NodeOperation, Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import { mendForPublish } from './filesystem/mend-filesystem.js';
import type { Mappers } from './node-mappers.js';
import { publishOnHost, type PublishOnHostParts } from './target/publish-on-host.js';
import { publishToGuest, type PublishToGuestParts } from './guest/publish-to-guest.js';
import type { SandboxParameters } from '../image/parameters.js';
import type { Credentials } from '../image/find-volume.js';
import { isMountOf } from './filesystem/staging-mount.js';
import { checkSecondTarget, liveAmong, refuseBesideGuest, type Targets } from './target/published-targets.js';

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
  /** The attach that the orchestrator speaks of; undefined where it does not say. */
  readonly grant?: string | undefined;
}

export interface PublishParts extends PublishOnHostParts, PublishToGuestParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly journal: Pick<Journal, 'note' | 'read' | 'write'>;
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly log: Pick<Logger, 'warn' | 'debug'>;
  /** Which node this is. */
  readonly self: Pick<NodeIdentity, 'node'>;
  /** Asks for the pod's RuntimeClass where there is a Kubernetes; BERTH_POD_CHANGED, BERTH_SANDBOX_UNKNOWN. */
  readonly chooseSandbox: (pod: Pod | undefined, wish: SandboxWish | undefined) => Promise<Choice>;
}

/**
 * BERTH_NOT_STAGED, BERTH_GRANT_OUTDATED (staged by another attach), BERTH_FILESYSTEM_STOPPED, BERTH_SINGLE_WRITER,
 * BERTH_PUBLISHED_OTHERWISE, BERTH_READONLY_MISMATCH, BERTH_TARGET_OCCUPIED; with virtual machines also
 * BERTH_KATA_ONE_POD, BERTH_KATA_RECORD_FAILED, BERTH_HOST_MOUNT_REFUSED, BERTH_VOLUME_IN_USE, BERTH_POD_CHANGED and
 * BERTH_SANDBOX_UNKNOWN.
 */
export async function publishVolume(parts: PublishParts, request: PublishVolume, deadline: Deadline): Promise<void> {
  const checked = await checkPublish(request);
  const { volume, stagingPath, targetPath, askedPath, capability, readOnly, pod } = checked;
  const asked = [stagingPath, targetPath, askedPath, capability, readOnly, pod, checked.grant];
  const what = { op: 'publish', fingerprint: JSON.stringify(asked) } as const;
  await parts.operations.run(volume, what, deadline, (operation, deadline) =>
    publishWithin(parts, checked, operation, deadline),
  );
}

/** A request that may be asked for, with its paths resolved and what makes it read-only in one flag. */
export interface CheckedPublish extends PublishVolume {
  /** The target path as the orchestrator spelled it. */
  readonly askedPath: string;
}

/** BERTH_FIELD_INVALID, BERTH_POD_CHANGED, errors of the capability. */
export async function checkPublish(request: PublishVolume): Promise<CheckedPublish> {
  checkCapabilities([request.capability]);
  checkAbsolute('staging_target_path', request.stagingPath);
  checkAbsolute('target_path', request.targetPath);
  const [stagingPath, targetPath] = await settleAll(
    resolveTarget('staging_target_path', request.stagingPath),
    resolveTarget('target_path', request.targetPath),
  );
  if (targetPath === stagingPath)
    throw berthError('BERTH_FIELD_INVALID', { field: 'target_path', why: 'it is the staging path' });
  checkPod(request.pod, podOfPath(targetPath));
  const readOnly = asksReadOnly(request.capability, request.readOnly);
  return { ...request, stagingPath, targetPath, askedPath: request.targetPath, readOnly };
}

/** Publish within an operation of the volume that runs already. */
export async function publishWithin(
  parts: Omit<PublishParts, 'operations'>,
  request: CheckedPublish,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  const { volume, stagingPath, targetPath, capability, readOnly, pod } = request;
  operation.step('look');
  const { entry, mapping, live } = await mustBeStaged(parts, volume, stagingPath, deadline);
  // Also a repeated one: what its pod has is not to be trusted any more, or another call has overtaken this one.
  refuseOtherGrant(parts.self.node, entry, request.grant);
  const wish = request.sandbox?.sandbox ?? entry.guest?.wish;
  const sandbox = await sandboxFor(parts, entry, live[targetPath], { pod, wish });
  refuseBesideGuest(volume, live, targetPath, sandbox);
  checkSecondTarget(entry, live, { targetPath, capability, readOnly });
  const present = { ...request, entry, mapping, live };
  const well = isMountedHere(entry) ? await mendForPublish(parts, present, operation, deadline) : entry;
  const publishing = { ...present, entry: well };
  const publish = { host: publishOnHost, kata: publishToGuest } satisfies Record<Sandbox, unknown>;
  await publish[sandbox](parts, publishing, operation, deadline);
}

/** What it is staged by, and the targets that it has. BERTH_NOT_STAGED. */
async function mustBeStaged(
  { journal, mappers }: Pick<PublishParts, 'journal' | 'mappers'>,
  volume: string,
  stagingPath: string,
  deadline: Deadline,
): Promise<{ readonly entry: JournalEntry; readonly mapping: Mapping; readonly live: Targets }> {
  const entry = await journal.read(volume);
  const mapping = entry?.state === 'staged' ? await mappers.mappingOf(entry, deadline) : undefined;
  if (entry === undefined || mapping === undefined || entry.stagingPath !== stagingPath) {
    throw berthError('BERTH_NOT_STAGED', { volume, path: stagingPath });
  }
  // A staging path that lost its mount is a directory of the host: bound into a pod it would take the data and lose it.
  // One that was taken away to be mended is mounted anew.
  const mounts = await readMounts();
  const staging = topmostAt(mounts, stagingPath);
  const isLost = isMountedHere(entry) && !(await isMountOf(staging, mapping.device));
  if (isLost && !(entry.mending === true && staging === undefined)) {
    throw berthError('BERTH_NOT_STAGED', { volume, path: stagingPath });
  }
  return { entry, mapping, live: liveAmong(mounts, entry) };
}

/** @param same what is published at this target already: its pod keeps what it has */
async function sandboxFor(
  { chooseSandbox, log }: Pick<PublishParts, 'chooseSandbox' | 'log'>,
  { volume, access }: JournalEntry,
  same: JournalTarget | undefined,
  { pod, wish }: { readonly pod: Pod | undefined; readonly wish: SandboxWish | undefined },
): Promise<Sandbox> {
  // The device node is bound for either: Kata's runtimes plug what they find under linux.devices by themselves.
  if (access === 'block') return 'host';
  if (same !== undefined) return same.sandbox ?? 'host';
  const choice = await chooseSandbox(pod, wish);
  log.debug({ volume, pod, ...choice }, 'sandbox chosen');
  return choice.sandbox;
}
