/**
 * One reading of everything a round is decided on: journal, kernel, kubelet's directories. Nothing here asks a cluster
 * or touches a volume.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { withinDeadline } from '../model/time-limit.js';
import { readMounts, type Mount } from '../host/mount/mountinfo.js';
import type { JournalEntry } from '../journal/entry.js';
import type { Deadline } from '../model/deadline.js';
import type { Logger } from '../observe/log.js';
import { imageOf, imageSpec } from '../model/volume-id.js';
import { readAttribute, listDirectory } from '../host/device/kernel-attribute.js';
import type { ClusterConfig } from '../rbd/clusters-file.js';
import { NOT_BUILT_IN } from '../rbd/mapping/choose-mapper.js';
import { locationName } from '../rbd/mapping/location-name.js';
import type { Mapper, Mapping } from '../rbd/mapping/mapper.js';
import type { MapperName } from '../model/mapper-name.js';
import { KERNEL_ROOTS, type KernelRoots } from '../rbd/mapping/roots.js';
import type { KubeletFacts, NodeFacts, OurPlace, SeenMapping } from './node-facts.js';
import { readKubelet } from './kubelet.js';

export interface GatherOptions {
  /** Undefined where this machine has no kubelet. */
  readonly kubeletDirectory: string | undefined;
  /** Our name in the kubelet's data files. */
  readonly driver: string;
  readonly ageMs: number;
  readonly roots?: KernelRoots;
}

/** What a round reads. Of a cluster it needs only the name in the clusters file. */
export interface NodeSources {
  readonly journal: { all(): Promise<Pick<NodeFacts, 'entries' | 'unreadable'>> };
  readonly mappers: { readonly all: readonly Pick<Mapper, 'name' | 'list' | 'listsOnlyOwn' | 'whyUnserved'>[] };
  readonly clusters: { all(): Promise<readonly Pick<ClusterConfig, 'id' | 'pools'>[]> };
  readonly operations: { isRunning(volume: string): boolean };
  readonly now: () => Date;
  readonly log: Pick<Logger, 'debug'>;
}

export class NodeGatherer {
  readonly #sources: NodeSources;
  readonly #options: GatherOptions;
  readonly #roots: KernelRoots;
  /** Of the monotonic clock: a wall clock that jumps makes nothing look old. */
  readonly #started = performance.now();
  /** When a mapping was first seen, by device and image. */
  #seen = new Map<string, number>();

  constructor(sources: NodeSources, options: GatherOptions) {
    this.#sources = sources;
    this.#options = options;
    this.#roots = options.roots ?? KERNEL_ROOTS;
  }

  /** DEADLINE where one of the reads hangs; errors of the journal's directory. */
  async gather(deadline: Deadline): Promise<NodeFacts> {
    const { journal, operations } = this.#sources;
    const { kubeletDirectory, ageMs } = this.#options;
    const now = this.#sources.now().getTime();
    const { mappings: listed, blind } = await this.#mappings(now, deadline);
    const { entries, unreadable } = await withinDeadline(journal.all(), 'reading the journal', deadline);
    // What is under way while this is read is half of before and half of after, also where it has ended by the end.
    const busy = new Set(entries.map(({ volume }) => volume).filter((volume) => operations.isRunning(volume)));
    const mappings = await this.#stillThere(listed, entries, now, deadline);
    const mounts = await withinDeadline(
      readMounts(`${this.#roots.proc}/self/mountinfo`),
      'reading the mount table',
      deadline,
    );
    const kubelet = await this.#kubelet(kubeletDirectory, mounts, deadline);
    const [uptime, places] = await Promise.all([uptimeMs(this.#roots.proc), this.#places()]);
    return {
      now,
      quietFrom: now - Math.min(performance.now() - this.#started, uptime),
      ageMs,
      entries,
      unreadable,
      mappings,
      blind: new Map([...blind, ...this.#notBuiltIn(entries)]),
      mounts,
      kubelet,
      places,
      isRunning: (volume) => busy.has(volume) || operations.isRunning(volume),
    };
  }

  async #kubelet(root: string | undefined, mounts: readonly Mount[], deadline: Deadline): Promise<KubeletFacts> {
    if (root === undefined) return { root, volumes: [], unclear: [], incomplete: undefined };
    const scan = readKubelet(root, this.#options.driver, mounts);
    return withinDeadline(scan, `reading ${root}`, deadline).catch((error: unknown) => {
      const incomplete = error instanceof Error ? error.message : 'unreadable';
      return { root, volumes: [], unclear: [], incomplete };
    });
  }

  /**
   * Mappers that the journal names and this program lacks. A development driver worked on this node before, and what it
   * mapped cannot be seen from here.
   */
  #notBuiltIn(entries: readonly JournalEntry[]): readonly (readonly [MapperName, string])[] {
    const known = new Set(this.#sources.mappers.all.map(({ name }) => name));
    return entries.filter(({ mapper }) => !known.has(mapper)).map(({ mapper }) => [mapper, NOT_BUILT_IN]);
  }

  async #mappings(
    now: number,
    deadline: Deadline,
  ): Promise<{ readonly mappings: readonly SeenMapping[]; readonly blind: ReadonlyMap<MapperName, string> }> {
    const blind = new Map<MapperName, string>();
    const mappings: SeenMapping[] = [];
    for (const mapper of this.#sources.mappers.all) {
      try {
        const listed = await withinDeadline(mapper.list(deadline), `listing the mappings of ${mapper.name}`, deadline);
        mappings.push(...(await Promise.all(listed.map((mapping) => this.#inspect(mapper, mapping, now)))));
      } catch (error) {
        blind.set(mapper.name, error instanceof Error ? error.message : 'failed');
      }
    }
    this.#seen = new Map(mappings.map(({ mapping, since }) => [keyOf(mapping), since]));
    return { mappings, blind };
  }

  /**
   * An unstage between the two readings leaves a mapping that no entry knows any more:
   * it is gone when listed again.
   */
  async #stillThere(
    listed: readonly SeenMapping[],
    entries: readonly JournalEntry[],
    now: number,
    deadline: Deadline,
  ): Promise<readonly SeenMapping[]> {
    const known = new Set(entries.map(({ volume }) => imageOf(volume)));
    if (listed.every(({ mapping }) => known.has(imageSpec(mapping.location)))) return listed;
    const again = new Set((await this.#mappings(now, deadline)).mappings.map(({ mapping }) => keyOf(mapping)));
    return listed.filter(({ mapping }) => again.has(keyOf(mapping)));
  }

  async #inspect(
    mapper: Pick<Mapper, 'listsOnlyOwn' | 'whyUnserved'>,
    mapping: Mapping,
    now: number,
  ): Promise<SeenMapping> {
    const directory = `${this.#roots.sys}/class/block/${path.basename(mapping.device)}`;
    return {
      mapping,
      number: readAttribute(`${directory}/dev`),
      holders: listDirectory(`${directory}/holders`),
      unserved: await mapper.whyUnserved?.(mapping),
      isProvenOurs: mapper.listsOnlyOwn === true,
      since: this.#seen.get(keyOf(mapping)) ?? now,
    };
  }

  async #places(): Promise<readonly OurPlace[] | undefined> {
    try {
      const clusters = await this.#sources.clusters.all();
      return clusters.flatMap(({ id, pools }) =>
        pools.map(({ name, namespaces }) => ({ cluster: id, pool: name, namespaces })),
      );
    } catch (error) {
      this.#sources.log.debug({ err: error }, 'reconciliation does without the clusters file');
      return undefined;
    }
  }
}

const keyOf = ({ device, location }: Mapping): string => `${device} ${locationName(location)}`;

async function uptimeMs(procRoot: string): Promise<number> {
  const [seconds = '0'] = (await readFile(`${procRoot}/uptime`, 'utf8')).split(' ');
  return Number(seconds) * 1000;
}
