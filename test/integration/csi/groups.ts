/** Group snapshots of a test: taken and removed by the driver's own calls. */
import type { VolumeGroupSnapshot__Output } from '../../../src/csi/gen/csi/v1/VolumeGroupSnapshot.js';
import { GROUPS_OBJECT } from '../../../src/volume/controller/group/group-record.js';
import { Deadline } from '../../../src/model/deadline.js';
import { admin } from '../ceph.js';
import type { Driver } from './driver.js';
import type { Site } from './site.js';
import type { Volume } from './volume.js';

export class Groups {
  readonly #site: Site;
  readonly #taken = new Map<string, Driver>();

  constructor(site: Site) {
    this.#site = site;
  }

  async take(
    on: Driver,
    volumes: readonly Volume[],
    name = this.#site.unique('group'),
  ): Promise<VolumeGroupSnapshot__Output> {
    const request = { name, sourceVolumeIds: volumes.map(({ id }) => id), secrets: this.#site.secrets() };
    const { groupSnapshot } = await on.calls.group.CreateVolumeGroupSnapshot(request);
    this.#taken.set(groupSnapshot!.groupSnapshotId, on);
    return groupSnapshot!;
  }

  async remove(groupSnapshotId: string, on = this.#taken.get(groupSnapshotId), snapshotIds: string[] = []) {
    const request = { groupSnapshotId, snapshotIds, secrets: this.#site.secrets() };
    await on?.calls.group.DeleteVolumeGroupSnapshot(request);
    this.#taken.delete(groupSnapshotId);
  }

  /** All that were taken here and are not removed yet. */
  async end(): Promise<void> {
    for (const id of this.#taken.keys()) await this.remove(id);
  }

  /** Has a group of this CSI name a record in the registry? */
  async hasRecord(name: string): Promise<boolean> {
    const args = ['--pool', this.#site.pool, 'listomapkeys', GROUPS_OBJECT];
    const text = await admin()
      .rados(args, Deadline.after(60_000))
      .catch(() => '');
    return text.split('\n').includes(`berth-group-${name}`);
  }
}
