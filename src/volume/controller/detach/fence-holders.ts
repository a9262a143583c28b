/** Fences the holders of a volume for which that was decided, and says so: in the log, as an Event, in the counters. */
import type { Verdict } from '../../../attachment/decide-detach.js';
import { FENCES_METRIC } from '../../../attachment/fence-keeper.js';
import type { Fences } from '../../../attachment/fences.js';
import type { Holder } from '../../../attachment/holder-record.js';
import type { Announce } from '../../../attachment/node-state.js';
import { isReaderMode } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import type { Counters } from '../../../observe/metrics.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { Operation } from '../../operation/operations.js';
import type { Detachment } from './detach-facts.js';

export interface FenceHoldersParts {
  readonly clusters: Pick<Clusters, 'registry'>;
  readonly fences: Pick<Fences, 'fence'>;
  readonly announce: Announce;
  readonly counters: Pick<Counters, 'count'>;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}

export interface HolderVerdict {
  readonly holder: Holder;
  readonly verdict: Verdict;
}

/**
 * True where anything was fenced: what is proved by that is seen when the facts are gathered again.
 * BERTH_FENCE_FAILED, BERTH_CEPH_DENIED.
 */
export async function fenceHolders(
  parts: FenceHoldersParts,
  { found, record, secrets }: Detachment,
  verdicts: readonly HolderVerdict[],
  operation: Operation<'fence'>,
  deadline: Deadline,
): Promise<boolean> {
  const { clusters, fences, counters, log, announce } = parts;
  const { volume, id } = found;
  let fenced = false;
  for (const { holder, verdict } of verdicts) {
    if (verdict.kind !== 'fence') continue;
    const { clients, evidence, heard } = verdict;
    operation.step('fence', holder.node);
    const registry = await clusters.registry(id.cluster, 'controller', deadline, secrets);
    const about = { volume, node: holder.node, clients, evidence };
    try {
      await fences.fence(registry, { volume, holder, clients, evidence, heard }, deadline);
    } catch (error) {
      counters.count(FENCES_METRIC, { what: 'failed' });
      log.error({ ...about, err: error }, 'a client could not be fenced');
      throw error;
    }
    fenced = true;
    counters.count(FENCES_METRIC, { what: 'fenced' });
    const { mode, readOnly } = record;
    log.warn({ ...about, holder, reader: readOnly || isReaderMode(mode) }, 'a client was fenced');
    const names = clients.map(({ address, client }) => `${client} at ${address}`).join(', ');
    const message = `${names} may not use the cluster any more: ${evidence}`;
    announce({ kind: 'Warning', reason: 'NodeFenced', message, about: { volume, node: holder.node } });
  }
  return fenced;
}
