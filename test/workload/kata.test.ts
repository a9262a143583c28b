/** A database in virtual machines of Kata, whose kernel mounts the volume of CSI. */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { say } from '../../src/dev/say.js';
import { GuestPods } from '../../src/dev/workload/guest-pods.js';
import type { MariadbPod } from '../../src/dev/workload/mariadb-pod.js';
import type { MariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import type { Driver } from '../integration/csi/driver.js';
import type { Site } from '../integration/csi/site.js';
import { cases } from './cases.js';
import { CsiWay } from './csi-way.js';

class KataWay extends CsiWay {
  readonly some = 40;
  protected override readonly parameters = { sandbox: 'kata' };
  readonly #guests: GuestPods;

  private constructor(site: Site, mariadb: MariadbTree, guests: GuestPods) {
    super(site, mariadb);
    this.#guests = guests;
  }

  static async open(): Promise<KataWay> {
    const [site, mariadb] = await CsiWay.prepare('dbk');
    return new KataWay(site, mariadb, await GuestPods.open(path.join(site.directory, 'g'), mariadb, say)).begin();
  }

  protected pod(directory: string, target: string, on: Driver): Promise<MariadbPod> {
    return this.#guests.kata(path.basename(directory), target, on.kataRecords);
  }

  /** The image is as large; the guest's kernel and filesystem are at its next start. */
  protected growOn(): Promise<void> {
    return Promise.resolve();
  }
}

let way: KataWay;

beforeAll(async () => {
  way = await KataWay.open();
});
afterEach(() => way.clear());
afterAll(() => way.close());

describe('MariaDB in a virtual machine of Kata, by CSI', () => cases(() => way));
