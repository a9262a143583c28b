/** The checks behind Probe: the clusters answer, the node is known to them, and it can map. */
import type { Nodes } from '../attachment/node-registry.js';
import { whyNotNode } from './machine/machine.js';
import type { Deadline } from '../model/deadline.js';
import type { Clusters, Role } from '../rbd/clusters.js';
import type { RbdPort } from '../rbd/port.js';
import { clientsInUse } from '../volume/node/client-instances.js';
import type { NodeRoom } from '../volume/node/node-room.js';
import type { Check } from './readiness.js';

/** How old a node's registration may grow before it is written again, in ms. */
const REGISTER_EVERY_MS = 30_000;

/** Ready while at least one cluster answers: the volumes of the others fail with their own error. */
export function clustersAnswer(clusters: Clusters, rbd: RbdPort, role: Role): Check {
  return async (deadline) => {
    const all = await clusters.all();
    return whyNone(
      all.map(async (one) => {
        await rbd.identify(await clusters.access(one, role), deadline);
      }),
    );
  };
}

/** Undefined as soon as one is done: nobody waits for a cluster that does not answer. Else why none of them is. */
async function whyNone(attempts: readonly Promise<void>[]): Promise<string | undefined> {
  try {
    await Promise.any(attempts);
    return undefined;
  } catch (error) {
    const reasons = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [error];
    return reasons.map(messageOf).join('; ');
  }
}

/**
 * Only what would make every volume fail; the rest of what a look at the machine finds is for the log and the doctor.
 */
export const machineWorks =
  (stateDirectory: string): Check =>
  () =>
    whyNotNode(stateDirectory);

export function mapperWorks(room: NodeRoom): Check {
  return async () => {
    await room.mappers.forChoice('auto');
    return undefined;
  };
}

/** Writes the node into every cluster that answers; without that no volume can be attached to it. */
export function nodeIsRegistered(room: NodeRoom, nodes: Nodes, driver: string): Check {
  const registered = new Map<string, number>();
  return async (deadline) => {
    const refresh = async (id: string): Promise<void> => {
      const last = registered.get(id);
      if (last !== undefined && performance.now() - last < REGISTER_EVERY_MS) return;
      registered.delete(id);
      await register(room, nodes, id, driver, deadline);
      registered.set(id, performance.now());
    };
    return whyNone((await room.clusters.all()).map(({ id }) => refresh(id)));
  };
}

async function register(
  room: NodeRoom,
  nodes: Nodes,
  cluster: string,
  driver: string,
  deadline: Deadline,
): Promise<void> {
  // Before anything is looked at: what is said is at least as new as this.
  const seen = room.now().toISOString();
  const registry = await room.clusters.registry(cluster, 'node');
  const working = await Promise.all(
    room.mappers.all.map(async (one) => ((await one.whyNot()) === undefined ? [one] : [])),
  );
  const { fsid } = await room.rbd.identify(registry.access, deadline);
  // By every mapper: one that cannot map just now (a program is missing, sysfs is read-only) may still have what it
  // mapped before.
  const clients = await clientsInUse(room, room.mappers.all, fsid, deadline).catch((error: unknown) => {
    room.log.warn(
      { cluster, err: error },
      'by which clients images are open here cannot be told: a fence of this node stays',
    );
    return undefined;
  });
  const registration = {
    version: 1,
    node: room.node,
    bootId: room.bootId,
    driver,
    mappers: working.flat().map(({ name }) => name),
    seen,
    ...(clients === undefined ? {} : { clients }),
  } as const;
  await nodes.register(registry, registration, deadline);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'failed');
