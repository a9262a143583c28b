/**
 * Which holders of a volume are meant when this installation's orchestrator names a node: its own, whichever machine
 * they were on; another installation's node of that name is none of them.
 */
import type { Holder, HolderRecord } from '../../attachment/holder-record.js';
import { isSameNode, type NodeIdentity, type Installation } from '../../attachment/node-identity.js';
import type { NodeRegistry } from '../../attachment/node-registry.js';
import type { Deadline } from '../../model/deadline.js';
import type { PoolRef } from '../../rbd/port.js';

/** A node as the orchestrator names it: of this installation, on whichever machine. BERTH_INSTALLATION_UNKNOWN. */
export const nodeNamed = async (
  installation: Pick<Installation, 'known'>,
  node: string,
  deadline: Deadline,
): Promise<NodeIdentity> => ({ node, installation: await installation.known(deadline), machine: undefined });

/**
 * The holders of a record that are the named node's, or any of this installation's for ''. A holder that has no
 * installation is one of them where its machine is registered here by now.
 */
export async function ownHolders(
  { nodes, registry }: { readonly nodes: Pick<NodeRegistry, 'find'>; readonly registry: () => Promise<PoolRef> },
  record: HolderRecord,
  named: NodeIdentity,
  deadline: Deadline,
): Promise<readonly Holder[]> {
  const own: Holder[] = [];
  for (const holder of record.holders) {
    const { node, machine, installation } = holder;
    if (named.node !== '' && named.node !== node) continue;
    const here = { ...named, node };
    if (isSameNode(holder, here)) own.push(holder);
    else if (installation === '' && machine !== undefined) {
      const { registration } = await nodes.find(await registry(), { ...here, machine }, deadline);
      if (registration !== undefined) own.push(holder);
    }
  }
  return own;
}
