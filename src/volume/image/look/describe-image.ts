/** What somebody who looks for a fault wants to know of a volume's image, in two reads and one open of it. */
import { readDeleteClaim, readHolderRecord, type Deletion } from '../../../attachment/holder-record.js';
import { attributeWatchers, describeWatchers } from '../../../attachment/unexplained-watchers.js';
import type { Deadline } from '../../../model/deadline.js';
import { breakingLocks, describeLocks } from '../../../rbd/image-lock.js';
import type { Role } from '../../../rbd/clusters.js';
import type { RbdPort } from '../../../rbd/port.js';
import { imageSpec } from '../../../model/volume-id.js';
import { findVolume, type ImageLookup } from '../find-volume.js';
import { parseGrowth, type GrowthRecord } from '../growth-record.js';
import { parseProvenance, type Provenance } from '../provenance.js';

export interface DescribeImageParts extends ImageLookup {
  readonly rbd: Pick<RbdPort, 'head' | 'inspect'>;
}

export interface ImageDescription {
  /** `pool[/namespace]/image` */
  readonly image: string;
  readonly sizeBytes: bigint;
  /** Ceph's own name for it, which its objects carry. */
  readonly imageId: string;
  /** It has no objects of data beyond so many; sparse, it has fewer. */
  readonly objectCount: number;
  /** Where it is not the image's own pool. */
  readonly dataPool: string | undefined;
  /** What it holds by its own record: a filesystem's name, `raw`, `never formatted`; '' where it has no such record. */
  readonly content: string;
  readonly snapshots: readonly string[];
  readonly clones: readonly string[];
  /** `pool/image@snap` of a clone. */
  readonly parent: string | undefined;
  readonly deleting: Deletion | undefined;
  readonly growth: GrowthRecord | undefined;
  /** Advisory locks in words, and the commands that break them; undefined where there are none. */
  readonly locks: { readonly says: string; readonly breaking: string } | undefined;
  /** Clients that no holder explains, in words; '' where there are none. */
  readonly strangers: string;
}

/** Undefined where Ceph has no such image. BERTH_RECORD_UNREADABLE, and the errors of the port. */
export async function describeImage(
  parts: DescribeImageParts,
  { volume, role }: { readonly volume: string; readonly role: Role },
  deadline: Deadline,
): Promise<ImageDescription | undefined> {
  const found = await findVolume(parts, volume, role, undefined, deadline);
  if (found === undefined) return undefined;
  const { head, at } = found;
  const { watchers, snapshots, clones, parent, locks, dataPool, stripeCount } = await parts.rbd.inspect(at, deadline);
  const record = readHolderRecord(head, volume);
  // Nobody's own clients are known here: what the record does not explain is a stranger.
  const nobody = { node: '', installation: undefined, machine: undefined };
  const { strangers } = attributeWatchers({ watchers, record, node: nobody, own: [] });
  const image = imageSpec(at);
  return {
    image,
    sizeBytes: head.sizeBytes,
    imageId: head.id,
    // A set of stripes that is not full has its bytes in all of its objects.
    objectCount: Math.ceil(Number(head.sizeBytes) / head.objectSizeBytes) + stripeCount - 1,
    dataPool,
    content: contentOf(parseProvenance(head, volume)),
    snapshots,
    clones,
    parent,
    deleting: readDeleteClaim(head, volume)?.deleting[0],
    growth: parseGrowth(head, volume),
    locks: locks.length === 0 ? undefined : { says: describeLocks(locks), breaking: breakingLocks(image, locks) },
    strangers: describeWatchers(strangers),
  };
}

function contentOf(provenance: Provenance): string {
  if (provenance.state === 'foreign') return '';
  if (provenance.state === 'never') return 'never formatted';
  if (provenance.state === 'formatting') return `${provenance.type}, whose mkfs was begun`;
  return provenance.state === 'raw' ? 'raw' : provenance.type;
}
