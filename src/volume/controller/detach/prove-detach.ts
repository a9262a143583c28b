/**
 * What a detach would go by and decide, for a person who is to see it before it is done: the record, who has the image
 * open, the fences, the node. Changes nothing.
 */
import { decideDetachment, type DetachFacts, type Verdict } from '../../../attachment/decide-detach.js';
import { readHolderRecord, type ClientInstance } from '../../../attachment/holder-record.js';
import { describeNode } from '../../../attachment/node-health.js';
import { describeWatchers } from '../../../attachment/unexplained-watchers.js';
import type { Deadline } from '../../../model/deadline.js';
import { findVolume, refuseUnlisted, type ImageLookup } from '../../image/find-volume.js';
import { gatherDetachFacts, type DetachFactsParts } from './detach-facts.js';
import { detachmentOf, type DetachParts, type DetachVolume } from './detach-volume.js';

export type ProveParts = ImageLookup & DetachFactsParts & Pick<DetachParts, 'clusters' | 'nodes' | 'installation'>;

export interface DetachProof {
  /** For a person: a line each for record, watchers, fences and node. */
  readonly facts: readonly string[];
  readonly verdict: Verdict;
}

/** Undefined where there is no such image, or its record does not name the node. BERTH_RECORD_UNREADABLE. */
export async function proveDetach(
  parts: ProveParts,
  { volume, node, secrets, unasked = false }: DetachVolume,
  deadline: Deadline,
): Promise<DetachProof | undefined> {
  const found = await findVolume(parts, volume, 'controller', secrets, deadline);
  if (found === undefined) {
    await refuseUnlisted(parts.clusters, volume);
    return undefined;
  }
  const record = readHolderRecord(found.head, volume);
  if (record === undefined) return undefined;
  const detachment = await detachmentOf(parts, { found, record, node, secrets, unasked }, deadline);
  const [facts] = await gatherDetachFacts(parts, { ...detachment, inFull: true }, { step: () => undefined }, deadline);
  return facts && { facts: describeFacts(facts), verdict: decideDetachment(facts) };
}

function describeFacts(facts: DetachFacts): readonly string[] {
  const { holder, sighting, blocked, record } = facts;
  const { node, since, by, state = 'in a state that was not recorded', at, clients = [] } = holder;
  const granted = by === 'controller' ? 'by an attach' : 'by the node itself';
  const open = sighting === undefined ? 'not known' : describeWatchers(sighting.watchers) || 'nobody';
  const fenced = (one: ClientInstance): boolean => blocked?.has(one.address) === true;
  const fences = blocked === undefined ? 'not known' : nameAll(clients.filter(fenced)) || 'none of its clients';
  return [
    `record: ${node} since ${since} ${granted} (${record.mode}), ${state}${at === undefined ? '' : ` since ${at}`}`,
    `its clients by the record: ${nameAll(clients) || 'none'}`,
    `watchers: ${open}`,
    `fences: ${fences}`,
    `node: ${describeNode(facts)}`,
  ];
}

const nameAll = (clients: readonly ClientInstance[]): string =>
  clients.map(({ address, client }) => `${client} at ${address}`).join(', ');
