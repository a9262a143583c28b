/** What the controller's use cases stand on, wired once in main. */
import type { HolderRecords } from '../../attachment/holder-records.js';
import type { Nodes } from '../../attachment/node-registry.js';
import type { Logger } from '../../observe/log.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import type { Fencing } from './fencing.js';
import type { Operations } from '../operation/operations.js';
import type { ControllerSteps } from '../operation/steps.js';
import type { PoolCapacity } from './pool-capacity.js';
import type { InterruptedCreates } from './interrupted-create.js';

export interface ControllerRoom {
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holderRecords: HolderRecords;
  readonly nodes: Nodes;
  readonly poolCapacity: PoolCapacity;
  readonly interruptedCreates: InterruptedCreates;
  readonly fencing: Fencing;
  readonly operations: Operations<ControllerSteps>;
  readonly log: Logger;
  readonly now: () => Date;
}
