/**
 * By which Ceph users this node opens volumes that were attached with a user of their own. The keys stand in Ceph,
 * where this node's own user alone can read them, and here in memory: in no file.
 */
import type { Installation } from '../../../attachment/node-identity.js';
import { keysObjectOf, parseVolumeUser, userOf } from '../../../attachment/users/volume-user.js';
import type { Journal } from '../../../journal/journal.js';
import { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import type { Clusters, Credentials, NodeUsers } from '../../../rbd/clusters.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';

/** What reading one key may take for a caller that gives no time, ms. */
const READ_MS = 5_000;
/** Volumes of which is kept how they are opened, the last ones; others are looked up again. */
const KEPT = 1_024;
/** For so long a key is taken for good, ms; then it is read again, for the volume may have been taken from the node. */
const FRESH_MS = 60_000;

export interface VolumeKeysParts {
  readonly rbd: Pick<RbdPort, 'getRecords'>;
  /** This node's name, as ControllerPublish calls it. */
  readonly node: string;
  readonly installation: Pick<Installation, 'known'>;
  readonly journal: Pick<Journal, 'read'>;
  /** ms, of a clock that never goes back. */
  readonly clock?: () => number;
}

/** By which attach a volume is opened; by the node's own user where it made none. */
type Known = KnownKey | { readonly grant: undefined };

interface KnownKey {
  readonly grant: string;
  readonly credentials: Credentials;
  readonly readAt: number;
}

type FindRegistry = (deadline: Deadline) => Promise<PoolRef>;

export class VolumeKeys implements NodeUsers {
  readonly #parts: VolumeKeysParts;
  readonly #clock: () => number;
  readonly #known = new Map<string, Known>();

  constructor(parts: VolumeKeysParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? (() => performance.now());
  }

  get node(): string {
    return this.#parts.node;
  }

  /**
   * From now on the volume is opened by the user of this attach; by the node's own where `grant` is undefined.
   * BERTH_GRANT_OUTDATED where the volume was taken from the node since, BERTH_VOLUME_USER_FAILED where there is no
   * such key, errors of Ceph.
   */
  async take(
    clusters: Pick<Clusters, 'registry'>,
    volume: string,
    grant: string | undefined,
    deadline: Deadline,
  ): Promise<void> {
    const registry = () => clusters.registry(clusterOf(volume), 'node', deadline);
    this.#keep(volume, grant === undefined ? { grant } : await this.#credentials(volume, grant, registry, deadline));
  }

  /**
   * Of a volume that a driver before this one staged, the journal says by which attach. BERTH_GRANT_OUTDATED and others
   * as {@link take}.
   */
  async of(volume: string, registry: FindRegistry): Promise<Credentials | undefined> {
    const known = this.#known.get(volume);
    const grant = known === undefined ? await this.#grantInJournal(volume) : known.grant;
    if (grant === undefined) return undefined;
    const read = await this.#credentials(volume, grant, registry, Deadline.after(READ_MS));
    // A stage by a later attach may have taken the volume meanwhile.
    if (this.#known.get(volume) === known) this.#keep(volume, read);
    return read.credentials;
  }

  /** That an entry names none is kept: the disk is asked once, and not by each round of reconciliation. */
  async #grantInJournal(volume: string): Promise<string | undefined> {
    const entry = await this.#parts.journal.read(volume).catch(() => undefined);
    const grant = entry?.ownUser === true ? entry.grant : undefined;
    const known = this.#known.get(volume);
    if (known !== undefined) return known.grant;
    if (entry !== undefined && grant === undefined) this.#keep(volume, { grant });
    return grant;
  }

  async #credentials(volume: string, grant: string, registry: FindRegistry, deadline: Deadline): Promise<KnownKey> {
    const known = this.#known.get(volume);
    if (known?.grant === grant && this.#clock() - known.readAt < FRESH_MS) return known;
    const readAt = this.#clock();
    return { grant, credentials: await this.#read(await registry(deadline), volume, grant, deadline), readAt };
  }

  async #read(registry: PoolRef, volume: string, grant: string, deadline: Deadline): Promise<Credentials> {
    const { rbd, node, installation } = this.#parts;
    const object = keysObjectOf({ node, installation: await installation.known(deadline) });
    const text = (await rbd.getRecords(registry, object, [grant], deadline)).get(grant);
    const user = text === undefined ? undefined : parseVolumeUser(text);
    if (user?.state === 'made' && user.volume === volume) return { user: userOf(grant), key: user.key };
    if (user?.state === 'dropping' || user?.state === 'dropped') {
      const why = `it was detached at ${user.at}, and its Ceph user is gone`;
      throw berthError('BERTH_GRANT_OUTDATED', { volume, node, why });
    }
    const why = 'there is no key for this attach in the registry of its cluster';
    throw berthError('BERTH_VOLUME_USER_FAILED', { volume, why });
  }

  #keep(volume: string, known: Known): void {
    this.#known.delete(volume);
    this.#known.set(volume, known);
    const [oldest] = this.#known.keys();
    // Never the one that a stage has just taken: its entry is written later.
    if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
  }
}

const clusterOf = (volume: string): string => parseVolumeId(volume)?.cluster ?? '';
