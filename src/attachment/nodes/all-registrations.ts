/** Everything that the registry says, for questions that no single node answers; reads all of it. */
import type { Deadline } from '../../model/deadline.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';
import { nameNode } from '../node-identity.js';
import { NODES_OBJECTS } from './node-objects.js';
import { parseRegistration, type NodeRegistration } from './node-registration.js';

/** How many registrations one call reads. */
const PAGE = 1_000;

/**
 * Which node last said that it has an image open by which of these client instances: address -> node, for a person.
 * Reads the whole registry, so it is for a message that refuses something.
 */
export async function nodesOfClients(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  addresses: readonly string[],
  deadline: Deadline,
): Promise<ReadonlyMap<string, string>> {
  const nodes = new Map<string, string>();
  for await (const { said } of allRegistrations(rbd, registry, deadline)) {
    for (const address of addresses) if (said.clients?.includes(address) === true) nodes.set(address, nameNode(said));
  }
  return nodes;
}

/** Whose nodes are registered in a cluster; undefined for those that did not say. Reads the whole registry. */
export async function listInstallations(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  deadline: Deadline,
): Promise<ReadonlySet<string | undefined>> {
  const found = new Set<string | undefined>();
  for await (const { said } of allRegistrations(rbd, registry, deadline)) found.add(said.installation);
  return found;
}

/** When a node last spoke there, ms since the epoch; 0 where none did. Reads the whole registry. */
export async function lastSeen(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  deadline: Deadline,
): Promise<number> {
  let last = 0;
  for await (const { said } of allRegistrations(rbd, registry, deadline)) {
    last = Math.max(last, Date.parse(said.seen) || 0);
  }
  return last;
}

/** A node that was silent for so long does not come back, or says so anew, ms. */
const DEAD_MS = 90 * 86_400_000;

/**
 * Remove the lines of nodes that are silent for ninety days, but for those that are `needed`; answers how many. A node
 * that speaks in that moment keeps its own.
 */
export async function forgetDeadNodes(
  rbd: Pick<RbdPort, 'listRecords' | 'compareAndSetRecord'>,
  registry: PoolRef,
  { now, needed }: { readonly now: number; readonly needed: ReadonlySet<string> },
  deadline: Deadline,
): Promise<number> {
  let removed = 0;
  for await (const { object, key, text, said } of allRegistrations(rbd, registry, deadline)) {
    if (!(now - Date.parse(said.seen) > DEAD_MS) || needed.has(said.node)) continue;
    if (await rbd.compareAndSetRecord(registry, object, key, text, undefined, deadline)) removed += 1;
  }
  return removed;
}

interface Line {
  readonly object: string;
  readonly key: string;
  readonly text: string;
  readonly said: NodeRegistration;
}

async function* allRegistrations(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  deadline: Deadline,
): AsyncGenerator<Line> {
  for (const object of NODES_OBJECTS) {
    for (let after = ''; ; ) {
      const page = await rbd.listRecords(registry, object, after, PAGE, deadline);
      for (const [key, text] of page) {
        const said = parseRegistration(text);
        if (said !== undefined) yield { object, key, text, said };
        after = key;
      }
      if (page.size < PAGE) break;
    }
  }
}
