/** What the node's use cases stand on, wired once in main. */
import type { HolderRecords } from '../../attachment/holder-records.js';
import type { Exec } from '../../host/process/exec.js';
import type { Journal } from '../../journal/journal.js';
import type { Logger } from '../../observe/log.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { Mapper, MapperName, MounterChoice } from '../../rbd/mapping/mapper.js';
import type { RbdPort } from '../../rbd/port.js';
import type { KataRecords } from '../../sandbox/kata/kata-records.js';
import type { RuntimeClassOf } from '../../sandbox/pod.js';
import type { Operation, Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';

export interface NodeRoom {
  /** This node's id, as ControllerPublish will name it. */
  readonly node: string;
  /** Of this boot: whatever is mapped ends with it. */
  readonly bootId: string;
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holderRecords: HolderRecords;
  readonly journal: Journal;
  readonly operations: Operations<NodeSteps>;
  readonly exec: Exec;
  readonly log: Logger;
  readonly now: () => Date;
  /** The mapper for a choice (`auto` takes the best that works here); BERTH_MAPPER_UNAVAILABLE. */
  mapperFor(choice: MounterChoice): Promise<Mapper>;
  mapperNamed(name: MapperName): Mapper;
  readonly mappers: readonly Mapper[];
  readonly kata: KataRoom;
  /** An operator's own limit of volumes on this node; undefined takes what the mapper can. */
  readonly maxVolumes: number | undefined;
}

/** What the node knows of virtual machines and of who runs in them. */
export interface KataRoom {
  readonly records: KataRecords;
  /** Where the sandboxes' monitor sockets are. */
  readonly shims: readonly string[];
  /** Handlers of RuntimeClasses that are Kata's. */
  readonly handlers: readonly string[];
  readonly runtimeClassOf: RuntimeClassOf;
}

/** What a use case of the node says of itself while it runs. */
export type NodeOperation<Op extends keyof NodeSteps> = Operation<NodeSteps[Op][number]>;

/** Time that an undo gets when its operation's own has run out, in ms. */
export const UNDO_MS = 20_000;
