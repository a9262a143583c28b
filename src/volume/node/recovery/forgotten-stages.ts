/**
 * Takes down what is staged here, used by no pod, and wanted elsewhere. A kubelet that was restarted between stage and
 * publish, or whose pod went meanwhile, never asks for the unstage, and a detach would wait for it without end.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { isSameNode } from '../../../attachment/node-identity.js';
import { deviceNumber } from '../../../host/device/block-device.js';
import { readMounts, type Mount } from '../../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../../journal/entry.js';
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import { isClusterSilent } from '../../../rbd/cluster-silence.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { ImageLookup } from '../../image/find-volume.js';
import type { Operations } from '../../operation/operations.js';
import type { NodeSteps } from '../../operation/steps.js';
import type { ThisNode } from '../node-holder-records.js';
import type { Mappers } from '../node-mappers.js';
import { imageOfEntry } from './entry-image.js';
import { takeDownEntry, type TakeDownEntryParts } from './take-down-entry.js';

/** How long the reading of one record, and taking down one volume, may take, in ms. */
const READ_MS = 5_000;
const TAKE_DOWN_MS = 60_000;

export const FORGOTTEN_METRIC = 'berth_forgotten_stages_total';

/** Of Ceph it reads the holder records of staged volumes without pods, and no more. */
export interface ForgottenParts extends ThisNode, TakeDownEntryParts, ImageLookup {
  readonly rbd: Pick<RbdPort, 'head' | 'headById'>;
  readonly operations: Pick<Operations<NodeSteps>, 'run' | 'isRunning'>;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

/**
 * Every staged volume of the journal that no pod uses, once: reads from its record whether a detach is wanted. A
 * cluster that does not answer is asked for one of them only. Never fails.
 * @param count told what came of each that is wanted
 * @returns how many were taken down
 */
export async function takeDownWanted(
  parts: ForgottenParts,
  entries: readonly JournalEntry[],
  count: (what: 'taken down' | 'failed') => void,
  stopped: () => boolean,
): Promise<number> {
  const { operations, log } = parts;
  const staged = entries.filter(({ state, handedTo }) => state === 'staged' && handedTo === undefined);
  if (staged.length === 0) return 0;
  const mounts = await readMounts();
  const silent = new Set<string>();
  let done = 0;
  for (const entry of staged) {
    const { volume, fsid } = entry;
    if (stopped()) return done;
    if (silent.has(fsid) || operations.isRunning(volume)) continue;
    try {
      if ((await usersOf(parts, entry, mounts)).length > 0) continue;
      const since = await wantedSince(parts, entry, () => silent.add(fsid));
      if (since === undefined) continue;
      log.warn({ volume, since }, 'staged here, used by no pod, not unstaged, and wanted elsewhere: it is taken down');
      if ((await takeDownEntry(parts, entry, Deadline.after(TAKE_DOWN_MS))) !== 'done') continue;
      done += 1;
      count('taken down');
    } catch (error) {
      if (isBerthError(error, 'BERTH_BUSY')) continue;
      count('failed');
      log.warn(
        { volume, err: error },
        'a volume that no pod uses, and that is wanted elsewhere, could not be taken down',
      );
    }
  }
  return done;
}

/** Paths of pods: its targets with something mounted on them, and all other mounts of its device. */
export async function usersOf(
  { mappers }: { readonly mappers: Pick<Mappers, 'mappingOf'> },
  entry: JournalEntry,
  mounts: readonly Mount[],
): Promise<readonly string[]> {
  const { stagingPath, targets } = entry;
  const live = mounts.filter(({ target }) => target in targets).map(({ target }) => target);
  if (live.length > 0) return live;
  const mapping = await mappers.mappingOf(entry, Deadline.after(READ_MS));
  if (mapping === undefined) return [];
  const number = await deviceNumber(mapping.device);
  const name = mapping.device.slice(mapping.device.lastIndexOf('/'));
  return mounts
    .filter(({ device, fsType, root }) => device === number || (fsType === 'devtmpfs' && root === name))
    .map(({ target }) => target)
    .filter((target) => target !== stagingPath);
}

/**
 * Since when its record says that it is wanted from this boot of this node; undefined where it does not.
 * @param silent called where it is the cluster that does not answer
 */
async function wantedSince(
  { clusters, rbd, self, bootId, log }: ForgottenParts,
  entry: JournalEntry,
  silent: () => void,
): Promise<string | undefined> {
  const { volume } = entry;
  try {
    const image = await imageOfEntry({ clusters, rbd }, entry, undefined, Deadline.after(READ_MS));
    const holders = image && readHolderRecord(image.head, volume)?.holders;
    const mine = holders?.find((one) => isSameNode(one, self));
    return mine?.bootId === bootId ? mine.detachWanted : undefined;
  } catch (error) {
    if (isClusterSilent(error)) silent();
    log.debug({ volume, err: error }, 'whether a detach of the volume is wanted cannot be told');
    return undefined;
  }
}
