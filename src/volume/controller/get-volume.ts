/** ControllerGetVolume: a volume's size, its holders, and whether who has it open fits them. */
import { readDeleteClaim, readHolderRecord } from '../../attachment/holder-record.js';
import { isOfInstallation, type Installation } from '../../attachment/node-identity.js';
import type { Deadline } from '../../model/deadline.js';
import type { RbdPort } from '../../rbd/port.js';
import { conditionOf, conditionOfClaim, type Condition } from '../image/volume-condition.js';
import { mustFindVolume, type ImageLookup } from '../image/find-volume.js';
import { sourceOf, type ContentSource } from '../image/volume-record.js';

export interface GetVolumeParts extends ImageLookup {
  readonly rbd: Pick<RbdPort, 'head' | 'inspect' | 'identify'>;
  readonly installation: Pick<Installation, 'known'>;
}

export interface SeenVolume {
  readonly volume: string;
  readonly sizeBytes: bigint;
  /** Undefined for a volume that began empty, and where its record cannot be read. */
  readonly source: ContentSource | undefined;
  /** Of this installation: the orchestrator takes each name for its own node's. */
  readonly publishedNodes: readonly string[];
  readonly condition: Condition;
}

/**
 * Also asks who has it open, which opens the image for a moment.
 * BERTH_VOLUME_NOT_FOUND, BERTH_INSTALLATION_UNKNOWN.
 */
export async function getVolume(parts: GetVolumeParts, volume: string, deadline: Deadline): Promise<SeenVolume> {
  const { head, at } = await mustFindVolume(parts, volume, 'controller', undefined, deadline);
  const claim = readDeleteClaim(head, volume);
  if (claim !== undefined) {
    const condition = conditionOfClaim(claim);
    return { volume, sizeBytes: head.sizeBytes, source: sourceOf(head, volume), publishedNodes: [], condition };
  }
  const record = readHolderRecord(head, volume);
  const own = await parts.installation.known(deadline);
  const [{ watchers }, { instance }] = await Promise.all([
    parts.rbd.inspect(at, deadline),
    parts.rbd.identify(at.access, deadline),
  ]);
  return {
    volume,
    sizeBytes: head.sizeBytes,
    source: sourceOf(head, volume),
    publishedNodes: record?.holders.filter((one) => isOfInstallation(one, own)).map(({ node }) => node) ?? [],
    condition: conditionOf(record, watchers, { instance, installation: own }),
  };
}
