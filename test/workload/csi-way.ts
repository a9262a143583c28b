/** A pod gets its volume by CSI: mounted by the node, or by the kernel of its virtual machine. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { say } from '../../src/dev/say.js';
import type { MariadbPod } from '../../src/dev/workload/mariadb-pod.js';
import { mariadbTree, type MariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import { ext4, MiB, RWOP } from '../integration/csi/capabilities.js';
import type { Driver } from '../integration/csi/driver.js';
import { Site } from '../integration/csi/site.js';
import { Snapshots } from '../integration/csi/snapshots.js';
import type { Volume } from '../integration/csi/volume.js';
import { FencingController } from '../integration/fencing/fencing-controller.js';
import { servingProcess } from '../integration/node/storage-daemon.js';
import { Database } from './database.js';
import type { Way } from './way.js';

const SIZE_BYTES = 256 * MiB;

export abstract class CsiWay implements Way {
  readonly one: Driver;
  readonly two: Driver;
  readonly controller: FencingController;
  abstract readonly some: number;
  protected readonly site: Site;
  protected readonly mariadb: MariadbTree;
  readonly #snapshots: Snapshots;
  readonly #databases: Database[] = [];
  #serial = 0;

  protected constructor(site: Site, mariadb: MariadbTree) {
    this.site = site;
    this.mariadb = mariadb;
    const node = (name: string): Driver => site.driver(name, { arguments: ['--reconcile-interval', '1'] });
    this.one = node('node-one');
    this.two = node('node-two');
    this.controller = new FencingController(site);
    this.#snapshots = new Snapshots(site);
  }

  static async prepare(label: string): Promise<readonly [Site, MariadbTree]> {
    const mariadb = await mariadbTree(say);
    return [await Site.open(label), mariadb];
  }

  async begin(): Promise<this> {
    await Promise.all([this.one.start(), this.two.start()]);
    return this;
  }

  /** Of the StorageClass. */
  protected readonly parameters: Readonly<Record<string, string>> = {};

  /** A pod on the volume that was published there. */
  protected abstract pod(directory: string, target: string, on: Driver): Promise<MariadbPod>;

  create(): Promise<Volume> {
    return this.site.create(this.two, ext4(RWOP), { sizeBytes: SIZE_BYTES, parameters: this.parameters });
  }

  async start(volume: Volume, on: Driver): Promise<Database> {
    this.#serial += 1;
    const directory = path.join(this.site.directory, `p${this.#serial}`);
    await mkdir(directory);
    const pod = await this.pod(directory, await volume.bring(on), on);
    const database = await Database.open(pod, this.mariadb.tree, path.join(directory, 'acknowledged'));
    this.#databases.push(database);
    return database;
  }

  leave(volume: Volume, on: Driver): Promise<void> {
    return volume.leave(on);
  }

  async clientsOf(on: Driver): Promise<readonly number[]> {
    const pid = await servingProcess(on);
    return pid === undefined ? [] : [pid];
  }

  async grow(volume: Volume, on: Driver, toBytes: number): Promise<void> {
    const { nodeExpansionRequired } = await volume.expand(toBytes);
    if (nodeExpansionRequired) await this.growOn(volume, on, toBytes);
  }

  protected abstract growOn(volume: Volume, on: Driver, toBytes: number): Promise<void>;

  async copy(volume: Volume): Promise<Volume> {
    const { snapshotId } = await this.#snapshots.take(this.one, volume);
    const options = { sizeBytes: SIZE_BYTES, parameters: this.parameters };
    const request = this.site.request(ext4(RWOP), options);
    const source = { volumeContentSource: { snapshot: { snapshotId } } };
    const made = await this.two.controller.CreateVolume({ ...request, ...source });
    return this.site.track(made.volume!.volumeId, ext4(RWOP), this.two);
  }

  async clear(): Promise<void> {
    for (const database of this.#databases.splice(0)) await database.kill();
    await this.controller.liftAll();
    await this.site.endVolumes();
    await this.#snapshots.end();
    this.controller.views.clear();
  }

  async close(): Promise<void> {
    await this.controller.close();
    await this.site.close();
  }
}
