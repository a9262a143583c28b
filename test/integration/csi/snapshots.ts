/** Snapshots of a test: taken and removed by the driver's own calls, and what Ceph itself has of them. */
import type { Snapshot__Output } from '../../../src/csi/gen/csi/v1/Snapshot.js';
import { SNAPSHOT_NAMES_OBJECT } from '../../../src/volume/controller/snapshot/name-record.js';
import { Deadline } from '../../../src/model/deadline.js';
import { admin } from '../ceph.js';
import type { Driver } from './driver.js';
import type { Site } from './site.js';
import type { Volume } from './volume.js';

export class Snapshots {
  readonly #site: Site;
  readonly #taken = new Map<string, Driver>();

  constructor(site: Site) {
    this.#site = site;
  }

  async take(on: Driver, volume: Volume | string, name = this.#site.unique('snap')): Promise<Snapshot__Output> {
    const sourceVolumeId = typeof volume === 'string' ? volume : volume.id;
    const request = { name, sourceVolumeId, secrets: this.#site.secrets() };
    const { snapshot } = await on.controller.CreateSnapshot(request);
    this.#taken.set(snapshot!.snapshotId, on);
    return snapshot!;
  }

  async remove(snapshotId: string, on = this.#taken.get(snapshotId)): Promise<void> {
    await on?.controller.DeleteSnapshot({ snapshotId, secrets: this.#site.secrets() });
    this.#taken.delete(snapshotId);
  }

  /** All that were taken here and are not removed yet. */
  async end(): Promise<void> {
    for (const id of this.#taken.keys()) await this.remove(id);
  }

  /** Every page of a list, as the driver answers it. */
  async list(on: Driver, request: object = {}): Promise<readonly Snapshot__Output[]> {
    const found: Snapshot__Output[] = [];
    for (let startingToken = ''; ; ) {
      const page = await on.controller.ListSnapshots({ ...request, startingToken, secrets: this.#site.secrets() });
      found.push(...page.entries.map(({ snapshot }) => snapshot!));
      startingToken = page.nextToken;
      if (startingToken === '') return found;
    }
  }

  /** Names of an image's snapshots as Ceph has them, those of the trash included. */
  async of(image: string): Promise<readonly string[]> {
    const text = await this.#site.rbd('snap', 'ls', '--all', image, '--format', 'json');
    return (JSON.parse(text) as { name: string }[]).map(({ name }) => name);
  }

  /** Ceph's own number of an image's snapshot. */
  async idOf(image: string, name: string): Promise<number> {
    const text = await this.#site.rbd('snap', 'ls', image, '--format', 'json');
    return (JSON.parse(text) as { id: number; name: string }[]).find((one) => one.name === name)?.id ?? 0;
  }

  /** Of the given names in RBD those that have a record in the registry. */
  async records(...names: readonly string[]): Promise<readonly string[]> {
    const args = ['--pool', this.#site.pool, 'listomapkeys', SNAPSHOT_NAMES_OBJECT];
    const text = await admin()
      .rados(args, Deadline.after(60_000))
      .catch(() => '');
    return text.split('\n').filter((name) => names.includes(name));
  }
}
