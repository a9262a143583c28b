/** The loop that registers a node: whom it asks which clients this node has images open by. */
import { clientsInUse } from '../volume/node/registration/clients-in-use.js';
import type { NodeParts } from './node-parts.js';
import { RegistrationLoop } from '../volume/node/registration/registration-loop.js';
import type { Dependencies } from './dependencies.js';

/**
 * Not started yet.
 * @param driver version of Berth
 */
export function makeRegistration(
  node: NodeParts,
  { nodes, installation }: Dependencies,
  driver: string,
): RegistrationLoop {
  const { self, bootId, mappers, clusters, rbd, log, now } = node;
  return new RegistrationLoop({
    self,
    installation,
    bootId,
    driver,
    mappers: mappers.all,
    clusters,
    rbd,
    nodes,
    clientsInUse: (fsid, deadline) => clientsInUse(node, fsid, deadline),
    log,
    now,
  });
}
