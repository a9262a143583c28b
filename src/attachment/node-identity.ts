/** Which node somebody is, and when two records mean the same one: a node is not its name. */

/** A node as a record names it. What an earlier Berth wrote has a name and nothing else. */
export interface RecordedNode {
  /** Its id at the driver: in Kubernetes the Node object's name. */
  readonly node: string;
  /** Whose node it is, '' for one that belongs to none; absent where whoever wrote it did not say. */
  readonly installation?: string | undefined;
  /** What tells the machine from another one that bears its name; absent where that is not known. */
  readonly machine?: string | undefined;
}

/**
 * A node as somebody who acts knows it. `undefined` is not known: an orchestrator names no machine, for instance.
 * Each field has to be given, so that none is forgotten.
 */
export interface NodeIdentity extends RecordedNode {
  readonly installation: string | undefined;
  readonly machine: string | undefined;
}

/**
 * Do these mean the same node? What one of them does not say differs from nothing, so a record of an earlier Berth is
 * known by its name. A node without an installation is another than one that has one, unless the machine is known to
 * be the same: an installation may be given a name while its volumes are in use.
 */
export function isSameNode(one: RecordedNode, other: NodeIdentity): boolean {
  if (one.node !== other.node || differ(one.machine, other.machine)) return false;
  if (!differ(one.installation, other.installation)) return true;
  const isNamed = one.installation !== '' && other.installation !== '';
  return !isNamed && one.machine !== undefined && other.machine !== undefined;
}

/** As {@link isSameNode}, for a node of which nothing is known but what a record says of it. */
export const identityOf = ({ node, installation, machine }: RecordedNode): NodeIdentity => ({
  node,
  installation,
  machine,
});

/** What a record says of a node: only what is known, by whoever writes it or by what it said `before`. */
export function recordedNode(known: NodeIdentity, before?: RecordedNode): RecordedNode {
  const { node, installation = before?.installation, machine = before?.machine } = known;
  return {
    node,
    ...(installation === undefined ? {} : { installation }),
    ...(machine === undefined ? {} : { machine }),
  };
}

/** Of a record that was read: are the parts of its identity texts? */
export const hasIdentity = ({ node, installation, machine }: Partial<RecordedNode>): boolean =>
  typeof node === 'string' && [installation, machine].every((one) => one === undefined || typeof one === 'string');

const differ = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && other !== undefined && one !== other;
