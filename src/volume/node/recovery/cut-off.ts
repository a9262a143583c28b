/**
 * A volume that is not this node's any more: found out from its holder record, then cut off, unmounted and unmapped, so
 * that not one byte more of this node's reaches the image.
 */
import { hasRecordOfAnother, readHolderRecord, whyNotStaged } from '../../../attachment/holder-record.js';
import type { NodeIdentity } from '../../../attachment/node-identity.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import { unmount } from '../../../host/mount/mount.js';
import type { Exec } from '../../../host/process/exec.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { RbdPort } from '../../../rbd/port.js';
import { isClusterSilent } from '../../../rbd/cluster-silence.js';
import type { Logger } from '../../../observe/log.js';
import { unmountDead } from '../filesystem/dead-mount.js';
import type { Mappers } from '../node-mappers.js';
import type { Operation } from '../../operation/operations.js';
import type { Credentials, ImageLookup } from '../../image/find-volume.js';
import { imageOfEntry } from './entry-image.js';

/** What reading one record may take, in ms. */
const READ_MS = 5_000;

/** What reading a volume's holder record takes. */
export interface RevocationParts extends ImageLookup {
  readonly rbd: Pick<RbdPort, 'head' | 'headById'>;
  readonly self: NodeIdentity;
  readonly mappers: Pick<Mappers, 'mappingOf'>;
  readonly log: Pick<Logger, 'debug'>;
}

/** Needs no cluster. */
export interface CutOffParts {
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly exec: Exec;
}

/** How a volume that is staged here stands in the cluster. */
export interface Standing {
  /** Why it is not this node's any more; undefined while it is, and where that cannot be told. */
  readonly revoked: string | undefined;
  /** Its name leads to another image than the one that is mapped. */
  readonly isReplaced: boolean;
}

const OURS: Standing = { revoked: undefined, isReplaced: false };

/** As {@link standingOf}: why it is not this node's any more. */
export const whyRevoked = async (...asked: Parameters<typeof standingOf>): Promise<string | undefined> =>
  (await standingOf(...asked)).revoked;

/**
 * Where the record cannot be read it stands as it did: then nothing is touched.
 * @param silent called where it is the cluster that does not answer: no other volume of it need be asked about
 */
export async function standingOf(
  { self, clusters, rbd, mappers, log }: RevocationParts,
  entry: JournalEntry,
  secrets: Credentials | undefined,
  deadline: Deadline,
  silent: () => void = () => undefined,
): Promise<Standing> {
  const { volume } = entry;
  try {
    if ((await mappers.mappingOf(entry, deadline)) === undefined) return OURS;
    const image = await imageOfEntry({ clusters, rbd }, entry, secrets, deadline.within(READ_MS));
    if (image === undefined) return OURS;
    const { head, isReplaced } = image;
    // An entry of an earlier release does not say which image it means, and this one has another's record: it may be
    // the one that was moved to the name.
    if (entry.imageId === undefined && hasRecordOfAnother(head, volume)) return OURS;
    const clients = [...(entry.mapping?.clients ?? []), ...(entry.guestClients ?? [])];
    const record = readHolderRecord(head, volume);
    return { revoked: whyNotStaged(record, self, entry.grant, clients), isReplaced };
  } catch (error) {
    // A volume that has a Ceph user of its own: its user went, behind the record.
    if (isBerthError(error, 'BERTH_GRANT_OUTDATED')) return { revoked: error.message, isReplaced: false };
    if (isClusterSilent(error)) silent();
    log.debug({ volume, err: error }, 'whether the volume is still this node’s cannot be told');
    return OURS;
  }
}

/**
 * First the device answers nothing but errors, so that what is still in memory cannot reach an image that may be
 * another node's now; then it is unmounted everywhere and unmapped. BERTH_UNMOUNT_BUSY, BERTH_UNMAP_BUSY while pods
 * have it open; they get errors from here on.
 */
export async function cutOffAndUnmap(
  { mappers, exec }: CutOffParts,
  entry: JournalEntry,
  operation: Operation<'cut off' | 'unmount lost' | 'unmap lost'>,
  deadline: Deadline,
): Promise<void> {
  const mapping = await mappers.mappingOf(entry, deadline);
  if (mapping === undefined) return;
  const mapper = mappers.named(mapping.mapper);
  operation.step('cut off', mapping.device);
  await mapper.cutOff(mapping, deadline);
  operation.step('unmount lost');
  for (const path of [...Object.keys(entry.targets), entry.stagingPath]) {
    if ((await mountAt(path)) !== undefined) await unmount(exec, path, deadline);
  }
  operation.step('unmap lost', mapping.device);
  await mapper.unmap(mapping, deadline);
}

/**
 * What a {@link cutOffAndUnmap} that was cut short left: our mounts of the device that we had, which is nobody's any
 * more. BERTH_UNMOUNT_BUSY.
 */
export async function unmountRevoked(
  { mappers, exec }: Pick<CutOffParts, 'exec'> & { readonly mappers: Pick<Mappers, 'mappingOf'> },
  entry: JournalEntry,
  operation: Operation<'unmount lost'>,
  deadline: Deadline,
): Promise<void> {
  if ((await mappers.mappingOf(entry, deadline)) !== undefined) return;
  for (const path of [...Object.keys(entry.targets), entry.stagingPath]) {
    await unmountDead({ exec }, entry, path, deadline, () => operation.step('unmount lost'));
  }
}
