/** Every volume on one line: claim, PersistentVolume, image, size, node, device, sandbox, state. Nothing is opened. */
import type { ApiAttachment, ApiVolume } from '../../kube/volume-attachments.js';
import { sandboxOf, type JournalEntry } from '../../journal/entry.js';
import type { Condition } from '../../volume/image/volume-condition.js';

/**
 * Of the API: `attached`, `attaching`, `detaching`. Of the record alone: `held`, which no attachment explains. Of the
 * node: `staging`, `staged`, `unstaging`. `free`: nobody has it. `no image`: a PersistentVolume, and Ceph has no such
 * image. `no pv`: an image of ours that no PersistentVolume names. `look`: its records are not in order, see `says`.
 */
export type VolumeState =
  | ('attached' | 'attaching' | 'detaching' | 'held')
  | ('staging' | 'staged' | 'unstaging')
  | ('free' | 'no image' | 'no pv' | 'look');

export interface VolumeRow {
  /** `namespace/name`; undefined where it has none, or nobody may say. */
  readonly claim: string | undefined;
  readonly pv: string | undefined;
  /** The handle. */
  readonly volume: string;
  readonly sizeBytes: bigint | undefined;
  readonly nodes: readonly string[];
  /** Known to its node alone. */
  readonly device: string | undefined;
  /** Who has it on that node: `host`, `kata`, `hyperd`; known to the node alone. */
  readonly sandbox: string | undefined;
  readonly state: VolumeState;
  /** Why somebody should look at it; '' where nobody has to. */
  readonly says: string;
}

/** What is known of an image that is there. */
export interface SeenImage {
  readonly volume: string;
  /** Undefined of one that no list shows. */
  readonly sizeBytes: bigint | undefined;
  readonly publishedNodes: readonly string[];
  readonly condition: Condition;
}

export interface VolumeSources {
  /** Undefined where Ceph was not asked: this process is a node. */
  readonly images: readonly SeenImage[] | undefined;
  /** Handles of which Ceph says, asked for each of them, that it has no such image. */
  readonly absent: ReadonlySet<string>;
  /** Undefined without Kubernetes, or where the account may not list them. */
  readonly volumes: readonly ApiVolume[] | undefined;
  readonly attachments: readonly ApiAttachment[] | undefined;
  /** Of this node; empty in a controller. */
  readonly entries: readonly (JournalEntry & { readonly sizeBytes: bigint | undefined })[];
  readonly nodeId: string;
}

/** By claim, then by handle. */
export function volumeRows(sources: VolumeSources): readonly VolumeRow[] {
  const { images = [], volumes = [], entries } = sources;
  const handles = new Set([...images, ...entries].map(({ volume }) => volume));
  for (const { handle } of volumes) handles.add(handle);
  const maps: Maps = {
    images: new Map(images.map((one) => [one.volume, one])),
    volumes: new Map(volumes.toReversed().map((one) => [one.handle, one])),
    attachments: attachmentsByHandle(sources),
    entries: new Map(entries.map((one) => [one.volume, one])),
  };
  const rows = [...handles].map((volume) => rowOf(volume, maps, sources));
  return rows.sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
}

/** Those without a claim stand last. */
const keyOf = ({ claim, volume }: VolumeRow): string => `${claim ?? '\uFFFF'} ${volume}`;

interface Maps {
  readonly images: ReadonlyMap<string, SeenImage>;
  readonly volumes: ReadonlyMap<string, ApiVolume>;
  readonly attachments: ReadonlyMap<string, readonly ApiAttachment[]>;
  readonly entries: ReadonlyMap<string, VolumeSources['entries'][number]>;
}

function attachmentsByHandle({ attachments = [], volumes = [] }: VolumeSources): Maps['attachments'] {
  const handles = new Map(volumes.map(({ name, handle }) => [name, handle]));
  const found = new Map<string, ApiAttachment[]>();
  for (const one of attachments) {
    const handle = one.inlineHandle ?? handles.get(one.pv ?? '');
    if (handle !== undefined) found.set(handle, [...(found.get(handle) ?? []), one]);
  }
  return found;
}

function rowOf(volume: string, maps: Maps, sources: VolumeSources): VolumeRow {
  const [image, pv, entry] = [maps.images.get(volume), maps.volumes.get(volume), maps.entries.get(volume)];
  const attachments = maps.attachments.get(volume) ?? [];
  const here = entry === undefined ? [] : [sources.nodeId];
  const nodes = new Set([...attachments.map(({ node }) => node), ...(image?.publishedNodes ?? []), ...here]);
  const says = image?.condition.abnormal === true ? image.condition.message : '';
  return {
    volume,
    ...namesOf(pv, entry),
    sizeBytes: image?.sizeBytes ?? entry?.sizeBytes,
    nodes: [...nodes].sort(),
    device: entry?.mapping?.device,
    sandbox: entry && sandboxOf(entry),
    state: sources.absent.has(volume) ? 'no image' : stateOf({ image, pv, entry, attachments }, sources),
    says,
  };
}

/** A node's account may list no PersistentVolumes: its journal has the names that the stage heard. */
const namesOf = (pv: ApiVolume | undefined, entry: JournalEntry | undefined): Pick<VolumeRow, 'claim' | 'pv'> => ({
  claim: pv?.claim ?? entry?.named?.claim,
  pv: pv?.name ?? entry?.named?.pv,
});

interface Seen {
  readonly image: SeenImage | undefined;
  readonly pv: ApiVolume | undefined;
  readonly entry: JournalEntry | undefined;
  readonly attachments: readonly ApiAttachment[];
}

/** What is wrong first, then what moves, then what is. */
function stateOf({ image, pv, entry, attachments }: Seen, { volumes }: VolumeSources): VolumeState {
  if (image?.condition.abnormal === true) return 'look';
  if (entry !== undefined) return entry.state;
  if (attachments.some(({ deletingSince }) => deletingSince !== undefined)) return 'detaching';
  if (attachments.some(({ attached }) => !attached)) return 'attaching';
  if (attachments.length > 0) return 'attached';
  if ((image?.publishedNodes ?? []).length > 0) return 'held';
  return volumes !== undefined && pv === undefined ? 'no pv' : 'free';
}
