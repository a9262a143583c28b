/** A Ceph that takes its time as one over a network with replicas does: this one answers at once, from memory. */
import { adminOf } from '../../src/dev/ceph/admin.js';
import { layoutOf } from '../../src/dev/ceph/layout.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import type { BenchCluster } from '../bench-cluster.js';

const SET_MS = 30_000;

/**
 * From now on the OSD lies on each request of clients that connect for 0 to 2 times `ms`, so `ms` on average, by Ceph's
 * own ms_inject_delay options. Requests wait beside one another, not behind one another.
 */
export async function slowDown({ cluster }: BenchCluster, ms: number): Promise<void> {
  const admin = adminOf(run, layoutOf(cluster.directory));
  const options = { type: 'client', max: String((2 * ms) / 1_000), probability: '1' };
  for (const [name, value] of Object.entries(options))
    await admin.ceph(['config', 'set', 'osd', `ms_inject_delay_${name}`, value], Deadline.after(SET_MS));
}
