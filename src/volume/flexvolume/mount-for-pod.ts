/**
 * A volume straight to one pod's directory, for orchestrators that know no staging: staged and published by one
 * operation, so that the same call joins it as a whole.
 */
import type { Journal } from '../../journal/journal.js';
import type { Capability, FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { Logger } from '../../observe/log.js';
import type { Pod } from '../../sandbox/pod.js';
import type { Credentials } from '../image/find-volume.js';
import type { SandboxParameters } from '../image/parameters.js';
import type { Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import { withUndo } from '../operation/undo-stack.js';
import { ownStagingPath, unstageWithoutPods, type VolumeActs } from './volume-acts.js';

export interface MountForPod {
  readonly volume: string;
  readonly directory: string;
  readonly fsType: FilesystemType | undefined;
  readonly readOnly: boolean;
  /** The pod's fsGroup, a gid as a decimal number; empty for none. */
  readonly group: string;
  readonly secrets: Credentials | undefined;
  readonly sandbox: SandboxParameters;
  /** Undefined where the orchestrator does not say. */
  readonly pod?: Pod | undefined;
}

export interface MountParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly journal: Pick<Journal, 'read'>;
  readonly acts: Pick<VolumeActs, 'stage' | 'publish' | 'unstage'>;
  /** Below it lie the staging paths of volumes that nobody stages. */
  readonly stagingRoot: string;
  readonly log: Pick<Logger, 'warn'>;
}

/** A mount is told nothing of the attach, where there was one: the node takes the record, or what it was granted. */
const NOBODY_ATTACHES = { by: 'node' } as const;

/** FlexVolume says neither mode nor nodes: one node writes, with several pods; any node reads. */
export const capabilityOf = ({
  fsType,
  readOnly,
  group,
}: Pick<MountForPod, 'fsType' | 'readOnly' | 'group'>): Capability => ({
  access: { kind: 'mount', fsType, mountFlags: [], group },
  mode: readOnly ? 'MULTI_NODE_READER_ONLY' : 'SINGLE_NODE_MULTI_WRITER',
});

/** The secrets are left out: whoever asks again with others gets what the first ones opened. */
const fingerprintOf = (act: 'stage' | 'publish', request: MountForPod): string => {
  const { directory, fsType, readOnly, group, sandbox, pod } = request;
  return JSON.stringify([act, directory, fsType, readOnly, group, sandbox, pod]);
};

/** Stage, at the path where it is staged already or at our own, and publish. Errors of both. */
export async function mountForPod(
  { operations, journal, acts, stagingRoot, log }: MountParts,
  request: MountForPod,
  deadline: Deadline,
): Promise<void> {
  const { volume, directory: targetPath, readOnly, sandbox, pod, secrets } = request;
  // The group is a pod's; the stage is for all of them.
  const capability = capabilityOf({ ...request, group: '' });
  const what = { op: 'mount', fingerprint: fingerprintOf('publish', request) } as const;
  await operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('read journal');
    const entry = await journal.read(volume);
    const isStaged = entry?.state === 'staged';
    const stagingPath = isStaged ? entry.stagingPath : ownStagingPath(stagingRoot, volume);
    const withPods = isStaged ? entry.withPods : true;
    await withUndo({ what: 'mount', volume, operation, log }, async (undo) => {
      const staging = { volume, stagingPath, capability, readOnly, right: NOBODY_ATTACHES, sandbox, secrets };
      await acts.stage(
        withPods === undefined ? staging : { ...staging, withPods },
        operation.within('stage'),
        deadline,
      );
      // Nobody may ever ask again, and an unmount is told a directory that the journal does not know.
      undo.pushUnlessStraggler(({ deadline }) => unstageWithoutPods({ journal, acts }, volume, operation, deadline));
      const wanted = capabilityOf(request);
      await acts.publish({ ...staging, capability: wanted, targetPath, pod }, operation.within('publish'), deadline);
    });
  });
}

/**
 * Stage at a path of the orchestrator's own, mounted when this is done. BERTH_HOST_MOUNT_REFUSED where a guest's
 * filesystem may not be mounted; nothing is staged then, for nobody would ask to unstage what is no mount. Errors of
 * the stage.
 */
export async function stageForHost(
  { operations, journal, acts, log }: Omit<MountParts, 'stagingRoot'>,
  request: MountForPod,
  deadline: Deadline,
): Promise<void> {
  const { volume, directory: stagingPath, readOnly, sandbox, secrets } = request;
  const capability = capabilityOf(request);
  const what = { op: 'mount', fingerprint: fingerprintOf('stage', request) } as const;
  await operations.run(volume, what, deadline, async (operation, deadline) => {
    await withUndo({ what: 'mount', volume, operation, log }, async (undo) => {
      const staging = { volume, stagingPath, capability, readOnly, right: NOBODY_ATTACHES, sandbox, secrets };
      await acts.stage(staging, operation.within('stage'), deadline);
      const entry = await journal.read(volume);
      if (entry?.guest?.mounted !== false) return;
      const staged = { volume, stagingPath: entry.stagingPath };
      undo.pushUnlessStraggler(({ deadline }) => acts.unstage(staged, operation.within('unstage'), deadline));
      throw berthError('BERTH_HOST_MOUNT_REFUSED', { volume });
    });
  });
}
