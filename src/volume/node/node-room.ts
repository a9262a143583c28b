/** What hand-over and recovery still take as a whole. */
import type { Exec } from '../../host/process/exec.js';
import type { Journal } from '../../journal/journal.js';
import type { Logger } from '../../observe/log.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import type { KataRecords } from '../../sandbox/kata/kata-records.js';
import type { Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import type { NodeHolderRecords, ThisNode } from './node-holder-records.js';
import type { Mappers } from './node-mappers.js';

export interface NodeRoom extends ThisNode {
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holderRecords: NodeHolderRecords;
  readonly journal: Journal;
  readonly operations: Operations<NodeSteps>;
  readonly exec: Exec;
  readonly log: Logger;
  readonly now: () => Date;
  readonly mappers: Mappers;
  readonly kataRecords: KataRecords;
  /** Where the monitor sockets of Kata's sandboxes are. */
  readonly shimRoots: readonly string[];
  /** An operator's own limit of volumes on this node; undefined takes what the mapper can. */
  readonly maxVolumes: number | undefined;
}
