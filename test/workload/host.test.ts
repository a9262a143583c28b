/** A database in a pod of the host, whose node mounts its volume of CSI. */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { HostPod } from '../../src/dev/workload/host-pod.js';
import type { MariadbPod } from '../../src/dev/workload/mariadb-pod.js';
import type { Driver } from '../integration/csi/driver.js';
import type { Volume } from '../integration/csi/volume.js';
import { cases } from './cases.js';
import { CsiWay } from './csi-way.js';

class HostWay extends CsiWay {
  readonly some = 200;

  static async open(): Promise<HostWay> {
    return new HostWay(...(await CsiWay.prepare('dbh'))).begin();
  }

  protected pod(directory: string, target: string): Promise<MariadbPod> {
    return HostPod.start(this.mariadb, directory, target);
  }

  protected async growOn(volume: Volume, on: Driver, toBytes: number): Promise<void> {
    try {
      await volume.expandOn(on, toBytes, await on.targetPath(volume.id, 'pod'));
    } catch (error) {
      // A machine that does not let anybody grow a mounted ext4: it grows at the next stage.
      if (!String(error).includes('CAP_SYS_RESOURCE')) throw error;
    }
  }
}

let way: HostWay;

beforeAll(async () => {
  way = await HostWay.open();
});
afterEach(() => way.clear());
afterAll(() => way.close());

describe('MariaDB on the host, by CSI', () => cases(() => way));
