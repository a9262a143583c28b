/**
 * ControllerUnpublish: the holder record is taken back only where its node provably cannot write any more, fencing it
 * where the policy allows.
 */
import { FENCES_METRIC } from '../../attachment/fence-keeper.js';
import { decideDetachment, hasReleased, type DetachFacts, type Verdict } from '../../attachment/decide-detach.js';
import { HOLDER_KEY, parseHolderRecord, type Holder, type HolderRecord } from '../../attachment/holder-record.js';
import { isReaderMode } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { PoolRef } from '../../rbd/port.js';
import type { Operation } from '../operation/operations.js';
import { type ControllerRoom } from './controller-room.js';
import { findVolume, refuseUnlisted, type Credentials, type FoundVolume } from '../image/find-volume.js';

/** A fence is followed by a second look; a holder that changed meanwhile is looked at anew. */
const ATTEMPTS = 4;
/**
 * What a look at a node through its orchestrator may take, ms: no answer is no reason to keep a volume from moving that
 * has been released.
 */
const VIEW_MS = 3_000;

type Step = Operation<'look' | 'watchers' | 'fence' | 'holder record'>;

/**
 * Take the volume from a node, '' for every node. A volume or holder that is gone is a success. BERTH_DETACH_UNPROVEN,
 * which is not final for the orchestrator, keeps the attachment: the other node must not get it before the first
 * provably cannot write.
 */
export async function detachVolume(
  room: ControllerRoom,
  request: { readonly volume: string; readonly node: string; readonly secrets: Credentials | undefined },
  deadline: Deadline,
): Promise<void> {
  const { volume, node, secrets } = request;
  await room.operations.run(volume, { op: 'detach', fingerprint: node }, deadline, async (operation, deadline) => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      operation.step('look');
      const found = await findVolume(room, volume, 'controller', secrets, deadline);
      if (found === undefined) return refuseUnlisted(room.clusters, volume);
      const record = parseHolderRecord(found.head.metadata.get(HOLDER_KEY), volume);
      const holders = record?.holders.filter((one) => node === '' || one.node === node) ?? [];
      if (record === undefined || holders.length === 0) return;
      const detaching = { found, record, holders, secrets };
      if (await nonFinal(volume, holders[0]?.node ?? node, () => tryDetach(room, detaching, operation, deadline)))
        return;
    }
    throw berthError('BERTH_RECORD_CONTENDED', { volume, times: ATTEMPTS });
  });
}

interface Detaching {
  readonly found: FoundVolume;
  readonly record: HolderRecord;
  /** Those of the record that are to go. */
  readonly holders: readonly Holder[];
  readonly secrets: Credentials | undefined;
}

/** True when it is done; false where it has to be looked at again. */
async function tryDetach(
  room: ControllerRoom,
  detaching: Detaching,
  operation: Step,
  deadline: Deadline,
): Promise<boolean> {
  const { found, holders } = detaching;
  const { volume } = found;
  const verdicts = await decideAll(room, detaching, operation, deadline);
  const fenced = await fenceAll(room, detaching, verdicts, operation, deadline);
  if (fenced) return false;
  const goners = holders.filter((one) => verdicts.get(one)?.kind === 'gone');
  operation.step('holder record');
  if (goners.length > 0 && !(await room.holderRecords.detachAsSeen(found.at, found.head, volume, goners, deadline)))
    return false;
  for (const holder of goners) {
    const verdict = verdicts.get(holder);
    if (verdict?.kind === 'gone') room.log.info({ volume, node: holder.node, evidence: verdict.evidence }, 'detached');
  }
  for (const holder of holders) {
    const verdict = verdicts.get(holder);
    if (verdict?.kind !== 'wait') continue;
    const { why, todo } = verdict;
    const { node } = holder;
    const message = `stays attached to ${node}: ${why}; ${todo}`;
    room.fencing.announce({ kind: 'Warning', reason: 'DetachWaits', message, about: { volume, node } });
    throw berthError('BERTH_DETACH_UNPROVEN', { volume, node, why, todo });
  }
  return true;
}

async function decideAll(
  room: ControllerRoom,
  { found, record, holders, secrets }: Detaching,
  operation: Step,
  deadline: Deadline,
): Promise<ReadonlyMap<Holder, Verdict>> {
  const { policy, lostAfterMs, nodeStates } = room.fencing;
  const common = { record, policy, lostAfterMs };
  const look = holders.every(hasReleased)
    ? undefined
    : await lookAround(room, found, holders, secrets, operation, deadline);
  const verdicts = holders.map(async (holder) => {
    const view = hasReleased(holder)
      ? 'unknown'
      : await nodeStates.of(holder.node, deadline.within(VIEW_MS)).catch(() => 'unknown' as const);
    const registration = look?.registrations.get(holder.node);
    const facts: DetachFacts = {
      ...common,
      ...{ holder, view, registration, sighting: look?.sighting, blocked: look?.blocked },
      now: room.now().getTime(),
    };
    return [holder, decideDetachment(facts)] as const;
  });
  return new Map(await Promise.all(verdicts));
}

/** An answer that does not come is not an empty one: it is left undefined. */
async function lookAround(
  room: ControllerRoom,
  { at, id }: FoundVolume,
  holders: readonly Holder[],
  secrets: Credentials | undefined,
  operation: Step,
  deadline: Deadline,
) {
  operation.step('watchers');
  const registry = await room.clusters.registry(id.cluster, 'controller', secrets);
  const nodes = holders.map(({ node }) => node);
  const instances = holders.flatMap(({ clients }) => clients?.map(({ address }) => address) ?? []);
  const tell = (what: string) => (error: unknown) => {
    room.log.warn({ volume: at.image, err: error }, `${what} could not be had; the volume stays attached`);
    return undefined;
  };
  const [sighting, blocked, registrations] = await Promise.all([
    room.rbd.observeWatchers(at, deadline).catch(tell('the watchers')),
    room.fencing.fences.standing(registry, instances, deadline).catch(tell('the fences')),
    room.nodes.read(registry, nodes, deadline),
  ]);
  return { sighting, blocked, registrations };
}

/** True where anything was fenced: what is proved by that is seen at the next look. */
async function fenceAll(
  room: ControllerRoom,
  { found, record, secrets }: Detaching,
  verdicts: ReadonlyMap<Holder, Verdict>,
  operation: Step,
  deadline: Deadline,
): Promise<boolean> {
  const { fences, counters, announce } = room.fencing;
  const { volume } = found;
  let fenced = false;
  for (const [holder, verdict] of verdicts) {
    if (verdict.kind !== 'fence') continue;
    const { clients, evidence, heard } = verdict;
    operation.step('fence', holder.node);
    const registry: PoolRef = await room.clusters.registry(found.id.cluster, 'controller', secrets);
    const about = { volume, node: holder.node, clients, evidence };
    try {
      await fences.fence(registry, { volume, holder, clients, evidence, heard }, deadline);
    } catch (error) {
      counters.count(FENCES_METRIC, { what: 'failed' });
      room.log.error({ ...about, err: error }, 'a client could not be fenced');
      throw error;
    }
    fenced = true;
    counters.count(FENCES_METRIC, { what: 'fenced' });
    const { mode, readOnly } = record;
    room.log.warn({ ...about, holder, reader: readOnly || isReaderMode(mode) }, 'a client was fenced');
    const names = clients.map(({ address, client }) => `${client} at ${address}`).join(', ');
    const message = `${names} may not use the cluster any more: ${evidence}`;
    announce({ kind: 'Warning', reason: 'NodeFenced', message, about: { volume, node: holder.node } });
  }
  return fenced;
}

/**
 * To an attacher, any status but these says that the volume is surely detached (kubernetes-csi/external-attacher,
 * isFinalError).
 */
const NON_FINAL = new Set(['ABORTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED']);

async function nonFinal<T>(volume: string, node: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isBerthError(error) || NON_FINAL.has(error.status)) throw error;
    throw berthError(
      'BERTH_DETACH_UNPROVEN',
      { volume, node, why: error.message, todo: 'see the log of the controller' },
      error,
    );
  }
}
