/** All parts of a controller process; each use case names the few of them that it takes. */
import { randomUUID } from 'node:crypto';
import { DeleteClaims } from '../attachment/delete-claims.js';
import { FENCE_ENDS, FENCES_METRIC } from '../attachment/fence-keeper.js';
import { Fences } from '../attachment/fences.js';
import type { HolderRecords } from '../attachment/holder-records.js';
import type { Installation } from '../attachment/node-identity.js';
import type { NodeRegistry } from '../attachment/node-registry.js';
import type { Announce, NodeStates } from '../attachment/node-state.js';
import { VolumeUsers } from '../attachment/users/volume-users.js';
import { MkfsTrial } from '../host/filesystem/mkfs/try-mkfs.js';
import { run } from '../host/process/exec.js';
import type { Logger } from '../observe/log.js';
import type { Counters } from '../observe/metrics.js';
import type { Clusters } from '../rbd/clusters.js';
import type { RbdPort } from '../rbd/port.js';
import type { FencingRules } from '../volume/controller/detach/detach-facts.js';
import { Turns } from '../volume/controller/blocks/turns.js';
import { InterruptedCreates } from '../volume/controller/create/interrupted-create.js';
import { ForeignImages } from '../volume/controller/list/foreign-images.js';
import { GentleSlices } from '../volume/controller/delete/gentle-slices.js';
import { Purges } from '../volume/controller/delete/purges.js';
import { CHAIN_LIMITS } from '../volume/controller/flatten/chain-depth.js';
import { Flattens } from '../volume/controller/flatten/flattens.js';
import { PoolCapacity } from '../volume/controller/pool-capacity.js';
import { CallLines, CONTROLLER_WIDTHS } from '../volume/operation/call-lines.js';
import type { EnteredStep } from '../volume/operation/operation-settings.js';
import { Operations } from '../volume/operation/operations.js';
import type { ControllerSteps } from '../volume/operation/steps.js';
import { NO_ADDITIONS } from './additions.js';
import { now, tellLate, type Dependencies } from './dependencies.js';

/** How many lists of blocks are read from Ceph at a time; purges have their own places beside them. */
const BLOCK_READS = 4;

export interface ControllerParts {
  readonly rbd: RbdPort;
  readonly longWork: RbdPort;
  readonly purges: Purges;
  readonly flattens: Flattens;
  readonly blockTurns: Turns;
  readonly clusters: Clusters;
  readonly holderRecords: HolderRecords;
  readonly deleteClaims: DeleteClaims;
  readonly nodes: NodeRegistry;
  /** Undefined where nodes open volumes by their own user. */
  readonly volumeUsers: VolumeUsers | undefined;
  readonly poolCapacity: PoolCapacity;
  readonly foreignImages: ForeignImages;
  readonly withoutSnapshots: ForeignImages;
  readonly mkfsTrial: Pick<MkfsTrial, 'check'>;
  readonly interruptedCreates: InterruptedCreates;
  readonly fences: Fences;
  readonly fencingRules: FencingRules;
  readonly nodeStates: NodeStates;
  readonly announce: Announce;
  readonly installation: Installation;
  readonly counters: Counters;
  readonly operations: Operations<ControllerSteps>;
  readonly log: Logger;
  readonly now: () => Date;
}

export function makeControllerParts(dependencies: Dependencies, additions = NO_ADDITIONS): ControllerParts {
  const { options, log, rbd, longWork, clusters, holderRecords, nodes, nodeStates, announce, counters } = dependencies;
  const { installation } = dependencies;
  counters.declare(
    FENCES_METRIC,
    'Ceph clients fenced by this controller, fences that it renewed, was done with, saw lapse, or could not make.',
    { what: FENCE_ENDS },
  );
  const settings = { late: tellLate(log), children: false, turn: new CallLines({ widths: CONTROLLER_WIDTHS }).take };
  const observer = additions.stepObserver(log);
  // An expansion that a test ends is the node's, which has the same name.
  const entered = (at: EnteredStep): void => {
    if (at.op !== 'expand') observer?.(at);
  };
  const operations = new Operations<ControllerSteps>(observer === undefined ? settings : { ...settings, entered });
  // One line of slices for purges and flattens: what they take of a cluster's calls adds up.
  const slices = new GentleSlices(() => operations.idleMs);
  const background = { slices, rbd, longWork, clusters, counters, log, by: randomUUID(), now };
  const purges = new Purges(background, options.purges);
  return {
    rbd,
    longWork,
    purges,
    flattens: new Flattens({
      ...background,
      limits: additions.chainLimits ?? CHAIN_LIMITS,
      entered: (step, key) => observer?.({ op: 'flatten', step, key }),
      parentFree: (cluster, imageId) => purges.lookAgain(cluster, imageId),
    }),
    blockTurns: new Turns(BLOCK_READS),
    clusters,
    holderRecords,
    deleteClaims: new DeleteClaims(rbd),
    nodes,
    volumeUsers: options.volumeUsers ? new VolumeUsers(rbd) : undefined,
    poolCapacity: new PoolCapacity(rbd),
    foreignImages: new ForeignImages(),
    withoutSnapshots: ForeignImages.withoutSnapshots(),
    mkfsTrial: new MkfsTrial(run, (why) =>
      log.warn({ why }, 'options for mkfs could not be tried and are taken as they are'),
    ),
    interruptedCreates: new InterruptedCreates(rbd, log),
    fences: new Fences(rbd),
    fencingRules: { policy: options.fencing, lostAfterMs: options.nodeLostAfter * 1000 },
    nodeStates,
    announce,
    installation,
    counters,
    operations,
    log,
    now,
  };
}
