/**
 * The real side of the model test of copies: one controller that may be killed, and what Ceph has of its volumes. Data
 * is written and read by the rbd program, so that no node is needed.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import { undeleteVolume } from '../../../src/volume/controller/delete/undelete-volume.js';
import type { How } from '../node/model.js';
import { outcomeOf } from '../node/model-system.js';
import { startLibrbd } from '../rbd/librbd.js';
import { block, bytes, MiB } from './capabilities.js';
import type { Driver } from './driver.js';
import { FlatteningController } from './flattening-controller.js';
import { GarbageSearch } from './garbage-search.js';
import { PurgingController } from './purging-controller.js';
import type { Site } from './site.js';

/** Of a new volume: sixteen objects. */
export const SIZE = MiB;
export const OBJECT = 65_536;
/** What is asked for again: somebody is at it, or a client that died is not forgotten yet. */
const AGAIN = ['ABORTED', 'DEADLINE_EXCEEDED', 'UNAVAILABLE', 'FAILED_PRECONDITION'];
/** What an answer may be that came too late, or from a driver that was killed. */
const CUT = ['ABORTED', 'DEADLINE_EXCEEDED', 'UNAVAILABLE', 'CANCELLED'];
/** As long as a caller insists, ms. */
const INSIST_MS = 120_000;
const LATER_MS = 7_200_000;

/** @param ms after which the caller gives up */
export type Asks<T> = (ms?: number) => Promise<T>;
export type Source = { readonly snapshot: { snapshotId: string } } | { readonly volume: { volumeId: string } };

export class CopySystem {
  readonly #site: Site;
  readonly #driver: Driver;
  readonly #rbd = startLibrbd();
  readonly #garbage: GarbageSearch;
  kills = 0;

  constructor(site: Site, driver: Driver) {
    this.#site = site;
    this.#driver = driver;
    this.#garbage = new GarbageSearch(site.clustersFile);
  }

  unique(label: string): string {
    return this.#site.unique(label);
  }

  create(name: string, sizeBytes: number, source?: Source): Asks<{ readonly id: string }> {
    const parameters = { objectSize: '64Ki', deleteRetention: '1h' };
    const request = this.#site.request(block(), { name, sizeBytes, parameters });
    return async (ms) => {
      const asked = source === undefined ? request : { ...request, volumeContentSource: source };
      const { volume } = await this.#driver.controller.CreateVolume(asked, ms);
      return { id: volume!.volumeId };
    };
  }

  expand(volumeId: string, sizeBytes: number): Asks<unknown> {
    const request = { volumeId, capacityRange: bytes(sizeBytes), secrets: this.#site.secrets() };
    return (ms) => this.#driver.controller.ControllerExpandVolume(request, ms);
  }

  deleteVolume(volumeId: string): Asks<unknown> {
    return (ms) => this.#driver.controller.DeleteVolume({ volumeId, secrets: this.#site.secrets() }, ms);
  }

  snapshot(name: string, sourceVolumeId: string): Asks<{ readonly ids: readonly string[] }> {
    const request = { name, sourceVolumeId, secrets: this.#site.secrets() };
    return async (ms) => {
      const { snapshot } = await this.#driver.controller.CreateSnapshot(request, ms);
      return { ids: [snapshot!.snapshotId] };
    };
  }

  deleteSnapshot(snapshotId: string): Asks<unknown> {
    return (ms) => this.#driver.controller.DeleteSnapshot({ snapshotId, secrets: this.#site.secrets() }, ms);
  }

  /** The ids of its members, in the order of `volumes`, and the group's own. */
  group(name: string, volumes: readonly string[]): Asks<{ readonly group: string; readonly ids: readonly string[] }> {
    const request = { name, sourceVolumeIds: [...volumes], secrets: this.#site.secrets() };
    return async (ms) => {
      const { groupSnapshot } = await this.#driver.calls.group.CreateVolumeGroupSnapshot(request, ms);
      const { groupSnapshotId, snapshots } = groupSnapshot!;
      const of = (volume: string) => snapshots.find(({ sourceVolumeId }) => sourceVolumeId === volume)!.snapshotId;
      return { group: groupSnapshotId, ids: volumes.map(of) };
    };
  }

  deleteGroup(groupSnapshotId: string): Asks<unknown> {
    const request = { groupSnapshotId, snapshotIds: [], secrets: this.#site.secrets() };
    return (ms) => this.#driver.calls.group.DeleteVolumeGroupSnapshot(request, ms);
  }

  async undelete(volume: string): Promise<void> {
    const parts = { rbd: this.#rbd, clusters: new Clusters(this.#site.clustersFile) };
    await undeleteVolume(parts, { volume, id: undefined, as: undefined }, Deadline.after(60_000));
  }

  /** One object full of this byte. */
  async write(volume: string, slot: number, byte: number): Promise<void> {
    const head = Buffer.alloc(17);
    head.write('w', 0, 'latin1');
    head.writeBigUInt64LE(BigInt(slot * OBJECT), 1);
    head.writeBigUInt64LE(BigInt(OBJECT), 9);
    const diff = Buffer.concat([Buffer.from('rbd diff v1\n'), head, Buffer.alloc(OBJECT, byte), Buffer.from('e')]);
    const file = path.join(this.#site.directory, 'diff');
    await writeFile(file, diff);
    await this.#site.rbd('import-diff', '--no-progress', file, imageOf(volume));
  }

  async read(volume: string): Promise<Buffer> {
    const file = path.join(this.#site.directory, 'export');
    await rm(file, { force: true });
    await this.#site.rbd('export', '--no-progress', imageOf(volume), file);
    return readFile(file);
  }

  /** The answer; undefined where the call was cut short, and nobody asks again. */
  async perform<T>(how: How, asks: Asks<T>): Promise<T | undefined> {
    if (how.kind === 'plain') return this.insist(asks);
    if (how.kind === 'twice') {
      const [one, two] = await Promise.all([this.insist(asks), this.insist(asks)]);
      expect(one, 'two answers to the same call').toEqual(two);
      return one;
    }
    const answer = asks(how.kind === 'hurried' ? how.ms + 1 : undefined).then(
      (value) => ({ value }),
      (error: unknown) => outcomeOf(error),
    );
    if (how.kind === 'killed') {
      await sleep(how.ms);
      await this.#crash();
    }
    const outcome = await answer;
    if ('value' in outcome) return outcome.value;
    expect([...CUT, ...AGAIN], outcome.text).toContain(outcome.status);
    return 'again' in how && how.again ? this.insist(asks) : undefined;
  }

  /** As a sidecar does it. */
  async insist<T>(asks: Asks<T>): Promise<T> {
    for (const last = performance.now() + INSIST_MS; ; ) {
      try {
        return await asks();
      } catch (error) {
        const { status, text } = outcomeOf(error);
        if (!AGAIN.includes(status) || performance.now() > last)
          throw new Error(`${status}: ${text}`, { cause: error });
        await sleep(100);
      }
    }
  }

  async #crash(): Promise<void> {
    this.kills += 1;
    await this.#driver.stop('SIGKILL');
    await this.#driver.start('listening');
  }

  /** What is there when all was deleted and the time of its keeping is over: by Ceph, and by the search for garbage. */
  async left(): Promise<readonly string[]> {
    const purging = new PurgingController(
      this.#site.clustersFile,
      () => ({}),
      () => new Date(Date.now() + LATER_MS),
    );
    try {
      const deleted = () => this.#site.deleted();
      await purging.until(
        async () => (await deleted()).length === 0,
        async () => (await deleted()).join(', '),
      );
    } finally {
      await purging.close();
    }
    const { pool, namespace } = this.#site;
    const flattening = new FlatteningController(this.#site.clustersFile);
    try {
      await flattening.finish(pool, namespace);
    } finally {
      await flattening.close();
    }
    const args = ['trash', 'ls', '--all', `${pool}/${namespace}`, '--format', 'json'];
    const trash = JSON.parse(await this.#site.rbd(...args)) as { readonly name: string }[];
    const names = trash.map(({ name }) => `trash ${name}`);
    return [...(await this.#site.images()), ...names, ...(await this.#garbage.report())];
  }

  async close(): Promise<void> {
    await Promise.all([this.#garbage.close(), this.#rbd.close()]);
  }
}

/** `pool/namespace/image` of a handle. */
const imageOf = (volume: string): string => volume.split('/').slice(1).join('/');
