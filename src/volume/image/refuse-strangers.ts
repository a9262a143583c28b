/**
 * Nobody takes a volume for writing while a client has its image open that no record explains (`rbd map` by hand,
 * another driver, another cluster's node), or has locked it: librbd and the kernel wait for such a lock for ever.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { holderRecordToTake, type HolderRecord } from '../../attachment/holder-record.js';
import type { NodeIdentity } from '../../attachment/node-identity.js';
import { nodesOfClients } from '../../attachment/nodes/all-registrations.js';
import { describeWatchers, unexplainedWatchers, type KnownClient } from '../../attachment/unexplained-watchers.js';
import { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { Clusters, Role } from '../../rbd/clusters.js';
import { refuseLocked } from '../../rbd/image-lock.js';
import type { RbdPort, Watcher } from '../../rbd/port.js';
import type { Credentials, FoundVolume } from './find-volume.js';

/**
 * How long a stranger is given to go, in ms. A resize, or the change of an image's metadata by the rbd command, opens
 * an image for a moment; a client that died is forgotten after about 30 s, for which the caller comes again.
 */
const PATIENCE_MS = 1_000;
const POLL_MS = 200;
/** How long the registry may take to say which node a stranger is, in ms: it is only for the message. */
const NAME_MS = 2_000;

export interface StrangerParts {
  readonly rbd: Pick<RbdPort, 'head' | 'watchers' | 'watchersById' | 'listRecords'>;
  readonly clusters: Pick<Clusters, 'registry'>;
}

/** The clients of whoever asks, by what is known when these watchers were listed. */
export interface OwnClients {
  readonly clients: readonly KnownClient[];
  /** How many more are its own, and not known by name. */
  readonly unnamed: 0 | 1;
}

export interface StrangerQuestion {
  readonly found: FoundVolume;
  readonly node: NodeIdentity;
  readonly role: Role;
  readonly secrets: Credentials | undefined;
  /** Whom the answer will show where all is well: to hear of nobody is cheap, to hear of somebody takes an open. */
  readonly expects: 'nobody' | 'own clients';
  readonly ownOf: (watchers: readonly Watcher[], record: HolderRecord | undefined) => OwnClients;
  /** Called once with the strangers, before they are given time to go: whom of them nobody will miss is shut out. */
  readonly shutOut?: (strangers: readonly Watcher[]) => Promise<void>;
  /** Called where there are strangers, who are given time to go. */
  readonly waited?: (() => void) | undefined;
}

/**
 * The image's watchers, none of whom is a stranger. BERTH_VOLUME_IN_USE names the strangers by address and, where a
 * node has registered such a client, by node; BERTH_IMAGE_LOCKED names advisory locks and how to break them. Two OSD
 * operations where nobody has it open, else one open of the image; a second and more only before a refusal.
 */
export async function refuseStrangers(
  parts: StrangerParts,
  question: StrangerQuestion,
  deadline: Deadline,
): Promise<readonly Watcher[]> {
  const { rbd } = parts;
  const { found, node, ownOf } = question;
  const { at, volume } = found;
  const strangersAmong = (watchers: readonly Watcher[], record: HolderRecord | undefined): readonly Watcher[] => {
    const { clients, unnamed } = ownOf(watchers, record);
    return unexplainedWatchers({ watchers, record, node, own: clients }, unnamed);
  };
  let { locks } = found.head;
  let watchers =
    question.expects === 'nobody'
      ? await rbd.watchersById(at, found.head.id, deadline)
      : await rbd.watchers(at, deadline);
  let strangers = strangersAmong(watchers, holderRecordToTake(found.head, volume));
  if (strangers.length > 0) {
    question.waited?.();
    await question.shutOut?.(strangers);
  }
  // From here on: however long the monitor took, whoever was shut out is looked for once more.
  const patience = deadline.within(PATIENCE_MS);
  while (strangers.length > 0) {
    if (patience.expired) {
      throw berthError('BERTH_VOLUME_IN_USE', { volume, who: await describeStrangers(parts, question, strangers) });
    }
    await sleep(POLL_MS);
    watchers = await rbd.watchers(at, deadline);
    // Read after the watchers: whoever of us opened the image had written it into the record before.
    const head = await rbd.head(at, deadline);
    if (head === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
    locks = head.locks;
    strangers = strangersAmong(watchers, holderRecordToTake(head, volume));
  }
  // Whoever has it open comes first: nobody is to be told to break the lock of a client that lives.
  refuseLocked(at, locks);
  return watchers;
}

/** `client.4123 at 10.0.0.1:0/77 (node worker-3), which no holder record explains` */
export async function describeStrangers(
  { rbd, clusters }: { readonly rbd: Pick<RbdPort, 'listRecords'>; readonly clusters: Pick<Clusters, 'registry'> },
  { found, role, secrets }: Pick<StrangerQuestion, 'found' | 'role' | 'secrets'>,
  strangers: readonly Watcher[],
): Promise<string> {
  const addresses = strangers.map(({ address }) => address);
  const deadline = Deadline.after(NAME_MS);
  const nodes = await clusters
    .registry(found.id.cluster, role, deadline, secrets)
    .then((registry) => nodesOfClients(rbd, registry, addresses, deadline))
    .catch(() => new Map<string, string>());
  const names = strangers.map((one) => {
    const known = nodes.get(one.address);
    return known === undefined ? describeWatchers([one]) : `${describeWatchers([one])} (node ${known})`;
  });
  return `${names.join(', ')}, which no holder record explains (Ceph forgets a client that died after about 30 s)`;
}
