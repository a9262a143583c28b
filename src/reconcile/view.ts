/**
 * The facts of a round, indexed: every question that a decision
 * asks is answered without going through all mounts again.
 */
import type { Mount } from '../host/mount/mountinfo.js';
import { workThrough } from '../model/settle-all.js';
import { formatVolumeId, parseVolumeId, type ImageSpec } from '../model/volume-id.js';
import type { JournalEntry } from '../journal/entry.js';
import type { ImageLocation } from '../rbd/mapping/mapper.js';
import type { NodeFacts, KubeletVolume, SeenMapping } from './node-facts.js';

const placeOf = ({ pool, namespace, image }: ImageSpec): string => `${pool}/${namespace}/${image}`;

export class NodeView {
  readonly facts: NodeFacts;
  readonly #byTarget = new Map<string, Mount[]>();
  readonly #byDevice = new Map<string, Mount[]>();
  /** Bind mounts of device nodes: raw volumes. */
  readonly #byNode = new Map<string, Mount[]>();
  readonly #directories = new Set<string>();
  readonly #entries = new Map<string, JournalEntry>();
  readonly #mappings = new Map<string, SeenMapping[]>();
  readonly #kubelet = new Map<string, KubeletVolume[]>();
  readonly #clusters = new Map<string, string>();

  private constructor(facts: NodeFacts) {
    this.facts = facts;
  }

  /** In slices: a node with a thousand volumes has some five thousand mounts. */
  static async over(facts: NodeFacts): Promise<NodeView> {
    const view = new NodeView(facts);
    await workThrough(facts.mounts, 1, (mount) => view.#index(mount));
    await workThrough(facts.entries, 1, (entry) => {
      view.#entries.set(entry.volume, entry);
      const id = parseVolumeId(entry.volume);
      if (id !== undefined) view.#clusters.set(id.cluster, entry.fsid);
    });
    for (const seen of facts.mappings) add(view.#mappings, placeOf(seen.mapping.location), seen);
    for (const one of facts.kubelet.volumes) add(view.#kubelet, one.volume, one);
    return view;
  }

  /** Is it younger than the bound, than this process or than this boot? A time that cannot be read counts as fresh. */
  isFresh(at: number): boolean {
    const { now, quietFrom, ageMs } = this.facts;
    return !(Math.max(at, quietFrom) <= now - ageMs);
  }

  entry(volume: string): JournalEntry | undefined {
    return this.#entries.get(volume);
  }

  /** The mapping that the entry means. */
  mappingOf({ volume, fsid, mapper }: JournalEntry): SeenMapping | undefined {
    return this.mappingsOf(volume).find(({ mapping }) => mapping.mapper === mapper && mapping.location.fsid === fsid);
  }

  /** Every mapping that could be the volume's: its pool, namespace and image in whatever cluster. */
  mappingsOf(volume: string): readonly SeenMapping[] {
    const id = parseVolumeId(volume);
    return id === undefined ? [] : (this.#mappings.get(placeOf(id)) ?? []);
  }

  /**
   * Handles that the image of a mapping may have by the clusters file; a cluster that the journal knows by another fsid
   * is none.
   */
  handlesOf({ fsid, pool, namespace, image }: ImageLocation): readonly string[] {
    const isHere = (cluster: string): boolean => [undefined, fsid].includes(this.#clusters.get(cluster));
    return (this.facts.places ?? [])
      .filter((place) => place.pool === pool && place.namespaces.includes(namespace) && isHere(place.cluster))
      .map(({ cluster }) => formatVolumeId({ cluster, pool, namespace, image }));
  }

  /** Mounts at exactly this path, hidden ones too. */
  mountsAt(path: string): readonly Mount[] {
    return this.#byTarget.get(path) ?? [];
  }

  /** Is anything mounted here or below? */
  isMountWithin(path: string): boolean {
    return this.#byTarget.has(path) || this.#directories.has(path);
  }

  /** Where a mapped device is mounted: its filesystem, or its node itself. */
  mountsOf({ mapping, number }: SeenMapping): readonly string[] {
    const name = mapping.device.slice(mapping.device.lastIndexOf('/') + 1);
    const found = [...(this.#byDevice.get(number ?? '') ?? []), ...(this.#byNode.get(name) ?? [])];
    return found.map(({ target }) => target);
  }

  kubeletOf(volume: string): readonly KubeletVolume[] {
    return this.#kubelet.get(volume) ?? [];
  }

  /**
   * Directories by which the kubelet still claims the volume: those of pods, and of a stage that it has tried lately
   * (it writes the data file anew at every attempt). A stage's directory alone is never read again by a kubelet
   * that was restarted.
   */
  claimsOf(volume: string): readonly KubeletVolume[] {
    return this.kubeletOf(volume).filter(({ kind, changed }) => kind !== 'stage' || this.isFresh(changed));
  }

  #index(mount: Mount): void {
    add(this.#byTarget, mount.target, mount);
    add(this.#byDevice, mount.device, mount);
    if (mount.fsType === 'devtmpfs') add(this.#byNode, mount.root.slice(mount.root.lastIndexOf('/') + 1), mount);
    for (let end = mount.target.lastIndexOf('/'); end > 0; end = mount.target.lastIndexOf('/', end - 1)) {
      const directory = mount.target.slice(0, end);
      if (this.#directories.has(directory)) break;
      this.#directories.add(directory);
    }
  }
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
