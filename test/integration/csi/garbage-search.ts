/** The search for garbage in this process, over the real cluster: for what is in one site, hours later. */
import { DeleteClaims } from '../../../src/attachment/delete-claims.js';
import { createLog } from '../../../src/observe/log.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import { InterruptedCreates } from '../../../src/volume/controller/create/interrupted-create.js';
import {
  findGarbage,
  removeGarbage,
  type GarbageParts,
  type Removed,
} from '../../../src/volume/controller/garbage/find-garbage.js';
import type { KnownContents } from '../../../src/volume/controller/garbage/known-contents.js';
import type { KnownVolumes } from '../../../src/volume/controller/garbage/known-volumes.js';
import { ForeignImages } from '../../../src/volume/controller/list/foreign-images.js';
import { Operations } from '../../../src/volume/operation/operations.js';
import { startLibrbd } from '../rbd/librbd.js';

/** Longer than the grace. */
const LATER_MS = 7_200_000;

export class GarbageSearch {
  readonly #rbd = startLibrbd();
  readonly #parts: GarbageParts;
  #aheadMs = LATER_MS;

  /**
   * @param known undefined without an orchestrator
   * @param contents of snapshots and of groups
   */
  constructor(clustersFile: string, known?: KnownVolumes, contents?: KnownContents) {
    const rbd = this.#rbd;
    const log = createLog('silent');
    const now = () => new Date(Date.now() + this.#aheadMs);
    this.#parts = {
      ...{ rbd, longWork: rbd, log, now },
      clusters: new Clusters(clustersFile),
      deleteClaims: new DeleteClaims(rbd),
      interruptedCreates: new InterruptedCreates(rbd, log),
      purges: { begin: () => undefined },
      operations: new Operations(),
      foreignImages: new ForeignImages(),
      askVolumes: () => Promise.resolve(known),
      askContents: () => Promise.resolve(contents),
    };
  }

  /** `kind where` of each, in order; by a clock that is hours ahead unless it is asked for what there is at once. */
  async report(when: 'later' | 'at once' = 'later'): Promise<readonly string[]> {
    this.#aheadMs = when === 'later' ? LATER_MS : 0;
    const { found } = await findGarbage(this.#parts);
    return found.map(({ kind, where }) => `${kind} ${where}`).sort();
  }

  /** What `berth garbage --yes` does, hours later. */
  async remove(): Promise<readonly Removed[]> {
    this.#aheadMs = LATER_MS;
    return removeGarbage(this.#parts, await findGarbage(this.#parts));
  }

  close(): Promise<void> {
    return this.#rbd.close();
  }
}
