/** A controller in this process that does nothing but purge, over the real cluster; the test begins each round. */
import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { Deadline } from '../../../src/model/deadline.js';
import { isBerthError } from '../../../src/model/errors.js';
import { withinDeadline } from '../../../src/model/time-limit.js';
import { createLog } from '../../../src/observe/log.js';
import { Counters } from '../../../src/observe/metrics.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import type { RbdPort } from '../../../src/rbd/port.js';
import { GentleSlices } from '../../../src/volume/controller/delete/gentle-slices.js';
import { Purges } from '../../../src/volume/controller/delete/purges.js';
import { startLibrbd } from '../rbd/librbd.js';

/** Something hung if it is not done by then, ms. A client that died is forgotten after 30 s, a lease after as long. */
const LIMIT_MS = 120_000;

export class PurgingController {
  readonly purges: Purges;
  readonly counters = new Counters();
  readonly #rbd = startLibrbd();

  /** @param seeing what the test makes of the port */
  constructor(clustersFile: string, seeing: (rbd: RbdPort) => Partial<RbdPort> = () => ({}), now = () => new Date()) {
    const rbd = { ...this.#rbd, ...seeing(this.#rbd) };
    const clusters = new Clusters(clustersFile);
    const { counters } = this;
    const parts = {
      rbd,
      longWork: rbd,
      clusters,
      counters,
      log: createLog('silent'),
      by: randomUUID(),
      now,
      slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
    };
    this.purges = new Purges(parts, 8);
  }

  /** Looks for all that there is, and ends when it is through with it. */
  async round(): Promise<void> {
    await this.purges.round();
    await this.purges.idle();
  }

  /** @param left says what is left, for the error of one that does not come to its end */
  async until(isDone: () => Promise<boolean>, left: () => Promise<string>): Promise<void> {
    for (const deadline = Deadline.after(LIMIT_MS); ; ) {
      // What librbd does of it may take longer: then it is told as well.
      await withinDeadline(this.round(), 'a round of purges', deadline).catch((error: unknown) => {
        if (!isBerthError(error, 'BERTH_DEADLINE')) throw error;
      });
      if (await isDone()) return;
      if (deadline.expired) throw new Error(`what was deleted is not purged: ${await left()}`);
      await sleep(500);
    }
  }

  async close(): Promise<void> {
    await this.purges.stop();
    await this.#rbd.close();
  }
}
