/**
 * Fences: client instances that the cluster is told not to serve, written down where every controller finds them again.
 */
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { Blocked, PoolRef, RbdPort } from '../rbd/port.js';
import type { NodeRegistration } from './node-registry.js';
import type { ClientInstance, Holder } from './holder-record.js';

/** An omap beside `berth.nodes`: instance -> JSON. `rados listomapvals berth.fences` shows it. */
export const FENCES_OBJECT = 'berth.fences';

/**
 * How long a fence lasts without anybody's care, s: a controller that is down for weeks must not let a frozen machine
 * write, and a cluster whose Berth was removed must forget it some day.
 */
export const FENCE_S = 30 * 86_400;
/** With less than this left it is renewed, ms. */
export const RENEW_MS = 10 * 86_400_000;
const PAGE = 256;

export interface Fence {
  readonly version: 1;
  readonly instance: string;
  readonly client: string;
  readonly node: string;
  readonly bootId?: string;
  /** For which it was made last; one client may have had other images open, too. */
  readonly volume: string;
  /** ISO 8601, by the controller's clock. */
  readonly since: string;
  /**
   * The last that the node had said before, by its own clock: a registration, or that it staged the volume; absent
   * where it had not.
   */
  readonly heard?: string;
  readonly evidence: string;
  /**
   * The cluster was seen to have it. Until then it is an intent, which nobody but the detach that decided it may carry
   * out: its node may be well again.
   */
  readonly made: boolean;
}

export interface FenceRequest {
  readonly volume: string;
  readonly holder: Holder;
  readonly clients: readonly ClientInstance[];
  readonly evidence: string;
  readonly heard: string | undefined;
}

export class Fences {
  readonly #rbd: RbdPort;
  readonly #now: () => Date;

  constructor(rbd: RbdPort, now: () => Date = () => new Date()) {
    this.#rbd = rbd;
    this.#now = now;
  }

  /**
   * Write it down as an intent, fence, see that it is so, and write that down. BERTH_FENCE_FAILED where the cluster
   * does not show it, BERTH_CEPH_DENIED without the caps.
   */
  async fence(registry: PoolRef, request: FenceRequest, deadline: Deadline): Promise<void> {
    const { access } = registry;
    const { clients } = request;
    await this.#note(registry, request, false, deadline);
    const before = await this.blocked(registry, deadline);
    for (const { address } of clients) await this.#list(registry, address, before.get(address), deadline);
    const listed = new Set((await this.#rbd.blocklisted(access, deadline)).map(({ instance }) => instance));
    const missing = clients.find(({ address }) => !listed.has(address));
    if (missing !== undefined)
      throw berthError('BERTH_FENCE_FAILED', { instance: missing.address, cluster: access.cluster });
    await this.#note(registry, request, true, deadline);
  }

  /**
   * Which of these instances are fenced by us, and until when by the cluster's word. What somebody else listed (a
   * client that broke its lock, for an hour) ends without anybody looking after it, and proves nothing.
   */
  async standing(
    registry: PoolRef,
    instances: readonly string[],
    deadline: Deadline,
  ): Promise<ReadonlyMap<string, number>> {
    const records = await this.#rbd.getRecords(registry, FENCES_OBJECT, instances, deadline);
    const made = [...records].flatMap(([key, text]) => parseFence(key, text)).filter((one) => one.made);
    if (made.length === 0) return new Map();
    const blocked = await this.blocked(registry, deadline);
    return new Map(made.map(({ instance }) => [instance, blocked.get(instance) ?? 0]));
  }

  /** Instance -> until, ms. */
  async blocked(registry: PoolRef, deadline: Deadline): Promise<ReadonlyMap<string, number>> {
    const entries = await this.#rbd.blocklisted(registry.access, deadline);
    return new Map(entries.map(({ instance, until }: Blocked) => [instance, until]));
  }

  /** All that are written down; one that a later Berth wrote, or that cannot be read, is left out and so left alone. */
  async all(registry: PoolRef, deadline: Deadline): Promise<readonly Fence[]> {
    const fences: Fence[] = [];
    for (let after = ''; ; ) {
      const page = await this.#rbd.listRecords(registry, FENCES_OBJECT, after, PAGE, deadline);
      fences.push(...[...page].flatMap(([key, text]) => parseFence(key, text)));
      const last = [...page.keys()].at(-1);
      if (last === undefined || page.size < PAGE) return fences;
      after = last;
    }
  }

  /**
   * Make it last longer. A cluster that lists an instance already does not change its time, so it is taken off and put
   * on again: for the moment of one map of the cluster it is open, which is why a fence lasts so long.
   */
  async renew(registry: PoolRef, { instance }: Fence, until: number | undefined, deadline: Deadline): Promise<void> {
    await this.#list(registry, instance, until, deadline);
  }

  /** Off the blocklist first: a fence that nobody knows of would stay until it ends by itself. */
  async lift(registry: PoolRef, { instance }: Fence, deadline: Deadline): Promise<void> {
    await this.#rbd.unblocklist(registry.access, instance, deadline);
    await this.#rbd.removeRecords(registry, FENCES_OBJECT, [instance], deadline);
  }

  async #list(registry: PoolRef, instance: string, until: number | undefined, deadline: Deadline): Promise<void> {
    const { access } = registry;
    // Put there by somebody else, such as a client that broke its lock, for an hour.
    if (until !== undefined && until - this.#now().getTime() >= RENEW_MS) return;
    if (until !== undefined) await this.#rbd.unblocklist(access, instance, deadline);
    await this.#rbd.blocklist(access, instance, FENCE_S, deadline);
  }

  async #note(registry: PoolRef, request: FenceRequest, made: boolean, deadline: Deadline): Promise<void> {
    const fences = request.clients.map((client) => {
      const fence: Fence = { ...this.#fenceOf(request, client), made };
      return [client.address, JSON.stringify(fence)] as const;
    });
    await this.#rbd.setRecords(registry, FENCES_OBJECT, new Map(fences), deadline);
  }

  #fenceOf(
    { volume, holder, evidence, heard }: FenceRequest,
    { address, client }: ClientInstance,
  ): Omit<Fence, 'made'> {
    const { node, bootId, at } = holder;
    const since = this.#now().toISOString();
    const boot = bootId === undefined ? {} : { bootId };
    // A registration that was looked up before the stage, and is written only now, knows nothing of the fenced client.
    const [latest] = [heard, at].filter((time) => time !== undefined).sort((a, b) => Date.parse(b) - Date.parse(a));
    const last = latest === undefined ? {} : { heard: latest };
    return { version: 1, instance: address, client, node, ...boot, volume, since, ...last, evidence };
  }
}

/**
 * Why a fence has done its work; undefined while it has not. The node must have spoken since: with another boot the
 * fenced client has died with its kernel, and with a list of its clients that lacks it nothing is left that it could
 * write from.
 */
export function whyLift(fence: Fence, registration: NodeRegistration | undefined): string | undefined {
  // Two times of the node's own clock where there are two: it may be wrong, but not against itself.
  if (registration === undefined || !(Date.parse(registration.seen) > Date.parse(fence.heard ?? fence.since)))
    return undefined;
  const { bootId, clients, seen } = registration;
  if (fence.bootId !== undefined && bootId !== fence.bootId)
    return `its node is back with boot ${bootId}, seen ${seen}`;
  if (clients?.includes(fence.instance) === false) return `its node has let go of that client, seen ${seen}`;
  return undefined;
}

function parseFence(key: string, text: string): Fence[] {
  try {
    const fence = JSON.parse(text) as Partial<Fence> | null;
    const texts = [fence?.instance, fence?.node, fence?.volume, fence?.since];
    const isOurs = fence?.version === 1 && texts.every((one) => typeof one === 'string') && fence.instance === key;
    return isOurs ? [fence as Fence] : [];
  } catch {
    return [];
  }
}
