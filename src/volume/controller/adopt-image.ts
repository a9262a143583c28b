/**
 * What an image that is there already would be as a volume, and what differs from one that Berth made; changes nothing.
 */
import { readDeleteClaim, readHolderRecord } from '../../attachment/holder-record.js';
import type { FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { imageSpec, type ImageSpec } from '../../model/volume-id.js';
import { breakingLocks, describeLocks } from '../../rbd/image-lock.js';
import type { ImageDetail, RbdPort } from '../../rbd/port.js';
import { isGuestWritten } from '../image/guest-mark.js';
import { findHandle, type HandleLookup, type ImageAsked } from '../image/find-handle.js';
import { FILESYSTEM_KEY, parseProvenance, type Provenance } from '../image/provenance.js';
import { conditionOfClaim } from '../image/volume-condition.js';
import { parseVolumeRecord } from '../image/volume-record.js';
import { mustFindVolume, type ImageLookup } from '../image/find-volume.js';

export interface AdoptParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & HandleLookup;
  readonly rbd: Pick<RbdPort, 'head' | 'inspect'>;
}

export interface Adoption {
  readonly volume: string;
  readonly sizeBytes: bigint;
  /** Undefined where only the device itself could tell. */
  readonly fsType: FilesystemType | undefined;
  /** What somebody has to know, one sentence each. */
  readonly differences: readonly string[];
}

/**
 * BERTH_FIELD_INVALID, BERTH_CLUSTER_UNKNOWN, BERTH_POOL_NOT_OURS, BERTH_VOLUME_NOT_FOUND, BERTH_RECORD_UNREADABLE, and
 * those of Ceph.
 */
export async function inspectForAdoption(
  { clusters, rbd }: AdoptParts,
  asked: ImageAsked,
  deadline: Deadline,
): Promise<Adoption> {
  const volume = await findHandle(clusters, asked);
  const [cluster = ''] = volume.split('/');
  const { users } = await clusters.get(cluster);
  const role = users.controller === undefined ? 'node' : 'controller';
  const { at } = await mustFindVolume({ clusters, rbd }, volume, role, undefined, deadline);
  const detail = await rbd.inspect(at, deadline);
  const provenance = parseProvenance(detail, volume);
  const fsType =
    provenance.state === 'formatted' || provenance.state === 'formatting'
      ? provenance.type
      : parseVolumeRecord(detail.metadata, volume)?.shape.fsType;
  return { volume, sizeBytes: detail.sizeBytes, fsType, differences: differencesOf(volume, at, detail, provenance) };
}

/** There is a record, and it is another image's. */
const isUnbelieved = (metadata: ReadonlyMap<string, string>, { state }: Provenance): boolean =>
  state === 'foreign' && metadata.has(FILESYSTEM_KEY);

function differencesOf(volume: string, at: ImageSpec, detail: ImageDetail, provenance: Provenance): readonly string[] {
  const { metadata, watchers, locks, snapshots, parent } = detail;
  const said: string[] = [];
  const holder = readHolderRecord(detail, volume)?.holders[0];
  if (holder !== undefined)
    said.push(`node ${holder.node} holds it since ${holder.since}: end its pod before another one starts`);
  const claim = readDeleteClaim(detail, volume);
  if (claim !== undefined) said.push(conditionOfClaim(claim).message);
  if (isUnbelieved(metadata, provenance))
    said.push(
      'its records came with a copy of another image: what they say of holders and of its content is not believed',
    );
  if (watchers.length > 0) {
    const who = watchers.map(({ address }) => address).join(', ');
    said.push(`it is open now at ${who}: whoever that is must end first, two of them destroy the filesystem`);
  }
  if (locks.length > 0) {
    const breaking = breakingLocks(imageSpec(at), locks);
    said.push(`it carries the advisory lock ${describeLocks(locks)}: no writer gets it before ${breaking}`);
  }
  if (provenance.state === 'foreign')
    said.push('Berth did not make it and will never format it: it must hold a filesystem');
  if (provenance.state === 'raw') said.push('it was used as a raw device: what it holds is for its user to say');
  if (parseVolumeRecord(metadata, volume) === undefined)
    said.push('it has no record of Berth: DeleteVolume refuses it, so the manifest says Retain');
  if (isGuestWritten(metadata))
    said.push(
      'a virtual machine may have written it: no node mounts it unless volumeAttributes say allowHostMount: "true"; ' +
        'a pod of Kata takes it as it is',
    );
  if (parent !== undefined) said.push(`it is a clone of ${parent}, which has to stay`);
  if (snapshots.length > 0) said.push(`it has ${snapshots.length} snapshot(s), which Berth does not know`);
  said.push(
    'a pod of hyperd has its files in the directory _data of the filesystem; ' +
      'any other pod sees the filesystem whole, with _data in it: mount with subPath: _data ' +
      '(Kata has no subPath: move the files up once, and back for hyperd)',
  );
  return said;
}
