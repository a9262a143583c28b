/**
 * The controller's part in the users of volumes: made when a volume is attached, dropped when it has left its node.
 * Every step is in the record before it is taken, so that whoever comes after a crash goes on from there.
 */
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { Secret } from '../../model/secret.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';
import type { UserCaps } from '../../rbd/port/user-port.js';
import type { NodeIdentity, RecordedNode } from '../node-identity.js';
import {
  formatVolumeUser,
  KEY_OWNERS_OBJECT,
  keyOwnerOf,
  keysObjectOf,
  ownerIn,
  parseVolumeUser,
  userOf,
  type VolumeUser,
} from './volume-user.js';

export type UserRecordPort = Pick<
  RbdPort,
  'getRecords' | 'listRecords' | 'setRecords' | 'compareAndSetRecord' | 'makeUser' | 'dropUser'
>;

/** By which attaches the volume is anybody's now. */
export type AskGrants = () => Promise<ReadonlySet<string | undefined>>;

export interface WantedUser {
  readonly grant: string;
  readonly node: NodeIdentity;
  readonly volume: string;
  /** Asked for where the user is not made yet. */
  readonly caps: () => Promise<UserCaps>;
  /** Asked behind the record of the user, and before he is made. */
  readonly granted: AskGrants;
}

/** A user of a volume as its record has it. */
export interface RecordedUser {
  readonly node: RecordedNode;
  readonly grant: string;
  /** As it stands in the cluster. */
  readonly text: string;
  /** Undefined where it cannot be read. */
  readonly user: VolumeUser | undefined;
}

/** Records read in one operation. */
const PAGE = 500;
/** How long a record says that its user is gone, ms: as long as a fence lasts, for a node that was away so long. */
const REMEMBER_MS = 30 * 86_400_000;

export class VolumeUsers {
  readonly #rbd: UserRecordPort;
  readonly #now: () => Date;
  /** Objects that were listed by this process. */
  readonly #owners = new Set<string>();

  constructor(rbd: UserRecordPort, now: () => Date = () => new Date()) {
    this.#rbd = rbd;
    this.#now = now;
  }

  /**
   * The user of this attach is there, and its node can read his key. May be repeated, also by two controllers at once:
   * the first of them decides on his caps. BERTH_VOLUME_USER_FAILED where he cannot be made, or the volume was taken
   * from the node meanwhile.
   */
  async make(registry: PoolRef, wanted: WantedUser, deadline: Deadline): Promise<void> {
    const { grant, node, volume, caps } = wanted;
    const object = keysObjectOf(node);
    const seen = (await this.#read(registry, object, grant, deadline)) ?? {
      text: undefined,
      user: { volume, at: this.#now().toISOString(), state: 'making', caps: await caps() } as const,
    };
    const { user } = seen;
    if (user?.state === 'made') return;
    if (user?.state !== 'making') throw gone(volume);
    const making = seen.text ?? formatVolumeUser(user);
    if (seen.text === undefined) {
      await this.#listOwner(registry, node, deadline);
      if (!(await this.#rbd.compareAndSetRecord(registry, object, grant, undefined, making, deadline)))
        return this.make(registry, wanted, deadline);
    }
    // A detach elsewhere that did not list him has taken the grant away before: it shows here.
    if (!(await wanted.granted()).has(grant)) {
      await this.#dropSurely(registry, { node, grant, text: making, user }, deadline);
      throw gone(volume);
    }
    const key = new Secret(await this.#makeUser(registry, volume, userOf(grant), user.caps, deadline));
    const made = formatVolumeUser({ ...user, state: 'made', key });
    if (await this.#rbd.compareAndSetRecord(registry, object, grant, making, made, deadline)) return;
    // Another controller has made the same, or the volume was taken from the node: then nobody drops what was made now.
    const now = await this.#read(registry, object, grant, deadline);
    if (now?.user?.state === 'made') return;
    await this.#rbd.dropUser(registry.access, userOf(grant), deadline);
    throw gone(volume);
  }

  /**
   * Drop all users of the volume on the node (on every one where it is undefined) but those of attaches that it has
   * now, and forget those that are gone for long. `granted` is asked behind the list: a grant stands in the volume's
   * record before its user is listed here, so one that is listed and not granted is over. Errors of Ceph.
   */
  async dropOthers(
    registry: PoolRef,
    node: NodeIdentity | undefined,
    { volume, granted }: { readonly volume: string; readonly granted: AskGrants },
    deadline: Deadline,
  ): Promise<void> {
    const listed: RecordedUser[] = [];
    const within = (): Deadline => deadline;
    const seen = node === undefined ? this.all(registry, within) : this.#of(registry, node, within);
    for await (const one of seen) {
      if (one.user?.state === 'dropped') await this.#forgetOld(registry, one, one.user.at, deadline);
      else if (one.user?.volume === volume) listed.push(one);
    }
    if (listed.length === 0) return;
    const keep = await granted();
    for (const one of listed) if (!keep.has(one.grant)) await this.#dropSurely(registry, one, deadline);
  }

  /** Also where he is made, or dropped by another, just now. */
  async #dropSurely(registry: PoolRef, seen: RecordedUser, deadline: Deadline): Promise<void> {
    if (await this.drop(registry, seen, deadline)) return;
    const now = await this.#read(registry, keysObjectOf(seen.node), seen.grant, deadline);
    // A record goes forward only, and not for ever.
    if (now !== undefined && now.text !== seen.text) await this.#dropSurely(registry, { ...seen, ...now }, deadline);
  }

  /** False where the record is not as it was seen: nothing is done then. Errors of Ceph. */
  async drop(registry: PoolRef, { node, grant, text, user }: RecordedUser, deadline: Deadline): Promise<boolean> {
    if (user === undefined || user.state === 'dropped') return false;
    const object = keysObjectOf(node);
    const { volume } = user;
    const at = this.#now().toISOString();
    const dropping = user.state === 'dropping' ? text : formatVolumeUser({ volume, state: 'dropping', at });
    const change = (from: string, to: string): Promise<boolean> =>
      this.#rbd.compareAndSetRecord(registry, object, grant, from, to, deadline);
    // Before the user goes: who makes him just now finds out, and takes back what he made.
    if (dropping !== text && !(await change(text, dropping))) return false;
    await this.#rbd.dropUser(registry.access, userOf(grant), deadline);
    await change(dropping, formatVolumeUser({ volume, state: 'dropped', at }));
    return true;
  }

  /** Every record of a cluster, node by node. Each page has a deadline of its own. */
  async *all(registry: PoolRef, deadline: () => Deadline): AsyncGenerator<RecordedUser> {
    for await (const key of this.#keys(registry, KEY_OWNERS_OBJECT, deadline)) {
      const node = ownerIn(key[0]);
      if (node !== undefined) yield* this.#of(registry, node, deadline);
    }
  }

  async *#of(registry: PoolRef, node: RecordedNode, deadline: () => Deadline): AsyncGenerator<RecordedUser> {
    for await (const [grant, text] of this.#keys(registry, keysObjectOf(node), deadline))
      yield { node, grant, text, user: parseVolumeUser(text) };
  }

  async *#keys(registry: PoolRef, object: string, deadline: () => Deadline): AsyncGenerator<[string, string]> {
    for (let after = ''; ; ) {
      const page = await this.#rbd.listRecords(registry, object, after, PAGE, deadline());
      yield* page;
      const last = [...page.keys()].at(-1);
      if (last === undefined || page.size < PAGE) return;
      after = last;
    }
  }

  async #read(
    registry: PoolRef,
    object: string,
    grant: string,
    deadline: Deadline,
  ): Promise<{ readonly text: string; readonly user: VolumeUser | undefined } | undefined> {
    const text = (await this.#rbd.getRecords(registry, object, [grant], deadline)).get(grant);
    return text === undefined ? undefined : { text, user: parseVolumeUser(text) };
  }

  /** Before the first key: what is not listed is never looked through. */
  async #listOwner(registry: PoolRef, node: NodeIdentity, deadline: Deadline): Promise<void> {
    const owner = keyOwnerOf(node);
    const known = [registry.access.cluster, registry.pool, registry.namespace, owner].join('\0');
    if (this.#owners.has(known)) return;
    const entry = new Map([[owner, JSON.stringify({ version: 1, since: this.#now().toISOString() })]]);
    await this.#rbd.setRecords(registry, KEY_OWNERS_OBJECT, entry, deadline);
    this.#owners.add(known);
  }

  async #makeUser(
    { access }: PoolRef,
    volume: string,
    user: string,
    caps: UserCaps,
    deadline: Deadline,
  ): Promise<string> {
    try {
      return await this.#rbd.makeUser(access, user, caps, deadline);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw berthError('BERTH_VOLUME_USER_FAILED', { volume, why }, error);
    }
  }

  async #forgetOld(registry: PoolRef, { node, grant, text }: RecordedUser, at: string, deadline: Deadline) {
    if (this.#now().getTime() - new Date(at).getTime() < REMEMBER_MS) return;
    await this.#rbd.compareAndSetRecord(registry, keysObjectOf(node), grant, text, undefined, deadline);
  }
}

const gone = (volume: string): Error =>
  berthError('BERTH_VOLUME_USER_FAILED', { volume, why: 'the volume was taken from the node meanwhile' });
