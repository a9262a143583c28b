/** What the image of a copy says of itself: librbd has given it all that its source says, and little of it is true. */
import { FILESYSTEM_KEY, formatProvenance, parseProvenance, type Provenance } from '../../../image/provenance.js';
import { isBerthError } from '../../../../model/errors.js';
import { subjectOf } from '../../../../model/volume-id.js';
import type { CloneHead, MetadataChange, ParentSnapshot } from '../../../../rbd/port/clone-port.js';
import type { ImageHead } from '../../../../rbd/port.js';
import { GUEST_KEY } from '../../../image/guest-mark.js';
import { LABELS } from '../../../image/parameters.js';
import { formatVolumeRecord, VOLUME_KEY, type ContentSource, type VolumeRecord } from '../../../image/volume-record.js';
import type { Operation } from '../../../operation/operations.js';
import type { ControllerSteps } from '../../../operation/steps.js';
import type { CreatePlan } from '../create-plan.js';

/** A plan for a volume that begins as a copy. */
export interface CopyPlan extends CreatePlan {
  readonly source: ContentSource;
}

/** What the snapshots begin with from which volumes are copied; none of a user is called so. */
const CUT_PREFIX = 'berth-clone-';

/** What the snapshot is called by which a volume is copied. */
export const cutName = ({ at }: Pick<CreatePlan, 'at'>): string => `${CUT_PREFIX}${at.image}`;

/** The name of the image for which such a snapshot is cut; undefined for any other snapshot. */
export const copyOfCut = (snapshot: string): string | undefined =>
  snapshot.startsWith(CUT_PREFIX) ? snapshot.slice(CUT_PREFIX.length) : undefined;

/** What a create says of itself while it runs. */
export type CopyOperation = Operation<ControllerSteps['create'][number]>;

/** What a copy has whether its class asks for it or not: it stands on its source. */
const NEEDED = 'layering';

/** As the class asks, and what it takes to be a clone. */
export const copyFeatures = ({ shape: { features } }: Pick<CreatePlan, 'shape'>): readonly string[] =>
  features.includes(NEEDED) ? features : [...features, NEEDED];

/** Of whatever is Berth's in the source's metadata, the guest's mark alone is true of the copy. */
const OURS = 'berth.dev/';

/** Nothing is changed where somebody else has written the copy's record meanwhile. */
export function copyMetadata(plan: CopyPlan, { head, parent }: CloneHead, created: Date): MetadataChange {
  const { volume, parameters, name, shape, source, installation } = plan;
  const own = subjectOf(volume, head);
  const whose = { ...own, name, installation };
  const record: VolumeRecord = { version: 1, ...whose, created: created.toISOString(), shape, source };
  const provenance = inherited(head, parent, source.id);
  const set = new Map([...parameters.labels, [VOLUME_KEY, formatVolumeRecord(record)]]);
  if (provenance !== undefined) set.set(FILESYSTEM_KEY, formatProvenance(provenance, volume, head));
  const isForeign = (key: string): boolean => (key.startsWith(OURS) && key !== GUEST_KEY) || LABELS.includes(key);
  const remove = [...head.metadata.keys()].filter((key) => isForeign(key) && !set.has(key));
  return { unless: { key: VOLUME_KEY, differsFrom: head.metadata.get(VOLUME_KEY) }, set, remove };
}

/**
 * What the source was when it was copied, read from what it says of itself now, which may be later by any time: only
 * `never` and `formatting` are true of all that came before. Undefined where nobody knows: such a copy is never
 * formatted, as its source would not be.
 */
function inherited(
  { fsid, metadata }: ImageHead,
  { imageId }: ParentSnapshot,
  source: string,
): Exclude<Provenance, { state: 'foreign' }> | undefined {
  const provenance = parseUnlessUnreadable({ id: imageId, fsid, metadata }, source);
  switch (provenance?.state) {
    case 'never':
    case 'raw':
      return { state: provenance.state };
    case 'formatting': {
      const { state, type, uuid, node } = provenance;
      return { state, type, uuid, node };
    }
    case 'formatted': {
      const { state, type, uuid } = provenance;
      return { state, type, uuid, copied: true };
    }
    default:
      return undefined;
  }
}

function parseUnlessUnreadable(home: Pick<ImageHead, 'id' | 'fsid' | 'metadata'>, source: string) {
  try {
    return parseProvenance(home, source);
  } catch (error) {
    if (isBerthError(error, 'BERTH_RECORD_UNREADABLE')) return undefined;
    throw error;
  }
}
