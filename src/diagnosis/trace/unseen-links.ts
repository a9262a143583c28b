/** Links that nobody here can look at: another node has them, or what leads to them was not looked at. */
import type { Link, Unseen } from './links.js';
import type { VolumeFacts } from './volume-facts.js';

type Seen = Pick<VolumeFacts, 'here' | 'nodeId' | 'image' | 'facts' | 'attachments' | 'handle'>;

/** What journal, kernel and runtime of a node know. */
const OF_A_NODE = ['device', 'mounts', 'sandbox'] as const satisfies readonly Link[];

/** None for a volume that no other node has: then there is nothing to look at. No fault: it is so by design. */
export function linksElsewhere(seen: Seen): readonly Unseen[] {
  const { here, handle } = seen;
  if (here === undefined || handle === undefined) return [];
  const nodes = nodesElsewhere(seen);
  const isUnknown = here.kind === 'no node' && isAnywhere(seen);
  if (nodes.length === 0 && !isUnknown) return [];
  const what = here.kind === 'no node' ? here.why : 'another node has the volume';
  const asks = nodes.map((node) => `kubectl berth trace ${handle} --node ${node}`).join(' or ');
  const why = `${what}; ask there: ${asks || 'kubectl berth trace with --node and the name of its node'}`;
  const as = { why: 'as the journal', isFault: false };
  return [{ link: 'journal', why, isFault: false }, ...OF_A_NODE.map((link) => ({ link, ...as }))];
}

/** Nobody could say who has it, so that anybody may. */
const isAnywhere = ({ image, attachments }: Seen): boolean =>
  attachments === undefined && (image === undefined || (image !== 'absent' && 'error' in image));

/** Names of Node objects, as far as an attachment says them; a controller is none of them, whatever its name. */
function nodesElsewhere({ here, nodeId, image, facts }: Seen): readonly string[] {
  const names = new Map(facts.map((one) => [one.nodeId, one.nodeName]));
  const holders = typeof image === 'object' && 'holders' in image ? image.holders : [];
  for (const { node } of holders) names.set(node, names.get(node) ?? node);
  if (here?.kind !== 'no node') names.delete(nodeId);
  return [...new Set(names.values())];
}

/**
 * The links that only another one leads to: not looked at is not the same as none.
 * @param unseen what could not be looked at itself
 */
export function linksBehind(
  { isPvUnseen, attachments }: Pick<VolumeFacts, 'isPvUnseen' | 'attachments'>,
  unseen: readonly Unseen[],
): readonly Unseen[] {
  // Nodes are found by attachments, and by the holders that have none.
  if (!isPvUnseen) return attachments === undefined ? behind('volume attachment', ['node'], unseen) : [];
  return behind('persistent volume', ['claim', 'node', 'volume attachment', 'pod'], unseen);
}

function behind(first: Link, links: readonly Link[], unseen: readonly Unseen[]): readonly Unseen[] {
  const cause = unseen.find(({ link }) => link === first);
  return cause === undefined ? [] : links.map((link) => ({ ...cause, link }));
}
