/**
 * A controller in this process that does nothing but make volumes on long chains stand alone, over the real cluster; by
 * a clock that is ahead, so that the lease of one that died is over.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '../../../src/observe/log.js';
import { Counters } from '../../../src/observe/metrics.js';
import { Deadline } from '../../../src/model/deadline.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import { GentleSlices } from '../../../src/volume/controller/delete/gentle-slices.js';
import { FLATTEN_OBJECT } from '../../../src/volume/controller/flatten/flatten-list.js';
import { Flattens } from '../../../src/volume/controller/flatten/flattens.js';
import { admin } from '../ceph.js';
import { startLibrbd } from '../rbd/librbd.js';

/** Whatever stands on anything. */
const ONE = { toFlatten: 1, most: 12 };
/** More than a client that died keeps an image, ms. */
const LIMIT_MS = 120_000;
/** Longer than a lease; each one's clock is so much ahead of the one's before. */
const AHEAD_MS = 3_600_000;
let controllers = 0;

export class FlatteningController {
  readonly flattens: Flattens;
  readonly counters = new Counters();
  readonly #rbd = startLibrbd();

  constructor(clustersFile: string) {
    const rbd = this.#rbd;
    const { counters } = this;
    controllers += 1;
    const aheadMs = controllers * AHEAD_MS;
    this.flattens = new Flattens({
      ...{ rbd, longWork: rbd, counters, log: createLog('silent'), by: randomUUID() },
      clusters: new Clusters(clustersFile),
      now: () => new Date(Date.now() + aheadMs),
      slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
      limits: ONE,
      entered: () => undefined,
      parentFree: () => undefined,
    });
  }

  /** All of the list that are in this namespace, worked on until none is left. */
  async finish(pool: string, namespace: string): Promise<void> {
    await this.flattens.round();
    for (const last = performance.now() + LIMIT_MS; ; ) {
      const left = await listedIn(pool, namespace);
      if (left.length === 0) return;
      if (performance.now() > last) throw new Error(`they do not stand alone: ${left.join(', ')}`);
      await sleep(100);
    }
  }

  async close(): Promise<void> {
    await this.flattens.stop();
    await this.#rbd.close();
  }
}

/** Those of a namespace that are to stand alone; the list is in the registry's place, which all tests share. */
async function listedIn(pool: string, namespace: string): Promise<readonly string[]> {
  const args = ['--pool', pool, '--namespace', '', 'listomapkeys', FLATTEN_OBJECT];
  const keys = await admin()
    .rados(args, Deadline.after(20_000))
    .catch((error: unknown) => {
      // As before the first volume was put on it. Whatever else fails says nothing of who is on the list.
      if (String(error).includes('No such file')) return '';
      throw error;
    });
  return keys.split('\n').filter((key) => key.includes(`/${namespace}/`));
}
