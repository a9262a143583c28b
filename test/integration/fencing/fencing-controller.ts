/**
 * A controller in this process, over the real cluster, whose orchestrator is the test: what it says of nodes, and what
 * it hears.
 */
import { readFile } from 'node:fs/promises';
import { FENCES_METRIC, FenceKeeper } from '../../../src/attachment/fence-keeper.js';
import type { FencingPolicy } from '../../../src/attachment/decide-detach.js';
import { Fences, FENCES_OBJECT } from '../../../src/attachment/fences.js';
import { HolderRecords } from '../../../src/attachment/holder-records.js';
import type { Announcement, NodeState, NodeStateAnswer } from '../../../src/attachment/node-state.js';
import { Installation } from '../../../src/attachment/node-identity.js';
import { NodeRegistry, type NodeRegistration } from '../../../src/attachment/node-registry.js';
import { nodesObjectOf, NODES_OBJECTS } from '../../../src/attachment/nodes/node-objects.js';
import { DeleteClaims } from '../../../src/attachment/delete-claims.js';
import { readHolderRecord, type HolderRecord } from '../../../src/attachment/holder-record.js';
import { Deadline } from '../../../src/model/deadline.js';
import { createLog } from '../../../src/observe/log.js';
import { Counters } from '../../../src/observe/metrics.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import type { PoolRef, RbdPort } from '../../../src/rbd/port.js';
import { GentleSlices } from '../../../src/volume/controller/delete/gentle-slices.js';
import { detachVolume } from '../../../src/volume/controller/detach/detach-volume.js';
import { Operations } from '../../../src/volume/operation/operations.js';
import { ForeignImages } from '../../../src/volume/controller/list/foreign-images.js';
import { Turns } from '../../../src/volume/controller/blocks/turns.js';
import { CHAIN_LIMITS } from '../../../src/volume/controller/flatten/chain-depth.js';
import { Flattens } from '../../../src/volume/controller/flatten/flattens.js';
import { Purges } from '../../../src/volume/controller/delete/purges.js';
import { PoolCapacity } from '../../../src/volume/controller/pool-capacity.js';
import { InterruptedCreates } from '../../../src/volume/controller/create/interrupted-create.js';
import type { ControllerParts } from '../../../src/wiring/controller-parts.js';
import { mustFindVolume } from '../../../src/volume/image/find-volume.js';
import type { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { startLibrbd } from '../rbd/librbd.js';

export const soon = (): Deadline => Deadline.after(60_000);

export const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();

/** A node as its orchestrator has it. */
export const view = async (other: Partial<NodeState> = {}): Promise<NodeState> => ({
  ...{ bootId: await bootId(), ready: 'true', notReadySince: undefined, outOfService: false },
  ...other,
});

/** Not Ready since long, and a person has tainted it. */
export const outOfService = (): Promise<NodeState> =>
  view({ ready: 'unknown', notReadySince: '2026-01-01T00:00:00Z', outOfService: true });

export class FencingController {
  readonly views = new Map<string, NodeStateAnswer>();
  readonly announced: Announcement[] = [];
  readonly counters = new Counters();
  readonly rbd = startLibrbd();
  readonly parts: ControllerParts;
  readonly keeper: FenceKeeper;

  readonly #namespace: string;
  readonly #installation: Installation;

  /** @param installation undefined: of none, as a driver that is not told */
  constructor(site: Site, policy: FencingPolicy = 'out-of-service', installation?: string) {
    this.#installation = new Installation(installation);
    this.#namespace = site.namespace;
    this.counters.declare(FENCES_METRIC, 'fences', { what: [] });
    this.parts = this.#over(site, this.rbd, policy);
    this.keeper = new FenceKeeper(this.parts);
  }

  /** The same controller whose look at the cluster is what the test makes of it. */
  seeing(port: Partial<RbdPort>, policy?: FencingPolicy): ControllerParts {
    const rbd = { ...this.rbd, ...port };
    const { fencingRules } = this.parts;
    return { ...this.parts, rbd, fencingRules: { ...fencingRules, policy: policy ?? fencingRules.policy } };
  }

  #over(site: Site, rbd: RbdPort, policy: FencingPolicy): ControllerParts {
    const { counters, announced, views } = this;
    const clusters = new Clusters(site.clustersFile);
    const longWork = {
      rbd,
      longWork: rbd,
      clusters,
      counters,
      log: createLog('silent'),
      by: site.namespace,
      slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
    };
    return {
      rbd,
      longWork: rbd,
      purges: new Purges({ ...longWork, now: () => new Date() }, 2),
      flattens: new Flattens({
        ...longWork,
        now: () => new Date(),
        limits: CHAIN_LIMITS,
        entered: () => undefined,
        parentFree: () => undefined,
      }),
      blockTurns: new Turns(2),
      clusters,
      holderRecords: new HolderRecords(rbd),
      deleteClaims: new DeleteClaims(rbd),
      nodes: new NodeRegistry(rbd),
      installation: this.#installation,
      poolCapacity: new PoolCapacity(rbd),
      foreignImages: new ForeignImages(),
      withoutSnapshots: ForeignImages.withoutSnapshots(),
      mkfsTrial: { check: () => Promise.resolve() },
      interruptedCreates: new InterruptedCreates(rbd, createLog('silent')),
      volumeUsers: undefined,
      fences: new Fences(rbd),
      fencingRules: { policy, lostAfterMs: 300_000 },
      nodeStates: { of: (node) => Promise.resolve(views.get(node) ?? 'unknown') },
      announce: (what) => void announced.push(what),
      counters,
      operations: new Operations(),
      log: createLog('silent'),
      now: () => new Date(),
    };
  }

  detach(volume: Volume, node: string, parts = this.parts): Promise<void> {
    return detachVolume(parts, { volume: volume.id, node, secrets: undefined }, soon());
  }

  registry(): Promise<PoolRef> {
    return this.parts.clusters.registry('dev', 'controller', soon());
  }

  async record(volume: Volume): Promise<HolderRecord | undefined> {
    const { head } = await mustFindVolume(this.parts, volume.id, 'controller', undefined, soon());
    return readHolderRecord(head, volume.id);
  }

  /** The one client by which a node has the volume open, as its record says. */
  async clientOf(volume: Volume, node: string): Promise<string> {
    const clients = (await this.record(volume))?.holders.find((one) => one.node === node)?.clients ?? [];
    if (clients.length !== 1) throw new Error(`${clients.length} clients are recorded for ${node}`);
    return clients[0]!.address;
  }

  async until(instance: string): Promise<number | undefined> {
    return (await this.parts.fences.blocked(await this.registry(), soon())).get(instance);
  }

  /** Those of this file's volumes: others run beside it in the same cluster. */
  fences = async () => {
    const all = await this.parts.fences.all(await this.registry(), soon());
    return all.filter(({ volume }) => volume.includes(`/${this.#namespace}/`));
  };

  /** No fence of a test stays for the next. Berth itself lets nobody in again. */
  async liftAll(): Promise<void> {
    for (const { instance } of await this.fences()) await this.lift(instance);
  }

  /** As a person does: off the blocklist, and forgotten. */
  async lift(instance: string): Promise<void> {
    const registry = await this.registry();
    await this.rbd.removeRecords(registry, FENCES_OBJECT, [instance], soon());
    await this.rbd.unblocklist(registry.access, instance, soon());
  }

  /** What the registry has of a node. */
  async registered(node: string): Promise<NodeRegistration | undefined> {
    const named = { node, installation: this.#installation.id, machine: undefined };
    return (await this.parts.nodes.find(await this.registry(), named, soon())).registration;
  }

  /** Its machine has said nothing for an hour. */
  async silence(node: string, machine: string): Promise<void> {
    const key = `${this.#installation.id}/${node}/${machine}`;
    const registry = await this.registry();
    const object = nodesObjectOf(node);
    const text = (await this.rbd.getRecords(registry, object, [key], soon())).get(key)!;
    const seen = new Date(Date.now() - 3_600_000).toISOString();
    const line = JSON.stringify({ ...(JSON.parse(text) as NodeRegistration), seen });
    await this.rbd.setRecords(registry, object, new Map([[key, line]]), soon());
  }

  /** As a person does with a node that will not come back: all its lines. */
  async forget(node: string): Promise<void> {
    const registry = await this.registry();
    for (const object of NODES_OBJECTS) {
      const all = await this.rbd.listRecords(registry, object, '', 1_000, soon());
      const its = [...all].filter(([, text]) => (JSON.parse(text) as NodeRegistration).node === node);
      const keys = its.map(([key]) => key);
      await this.rbd.removeRecords(registry, object, keys, soon());
    }
  }

  /** The node's word, newer than all that it said before: as if it had been booted anew. */
  async registerBoot(node: string, bootId: string): Promise<void> {
    const registration = { ...(await this.registered(node))!, bootId, seen: new Date().toISOString() };
    await this.parts.nodes.register(await this.registry(), registration, soon());
  }

  async close(): Promise<void> {
    await this.parts.purges.stop();
    await this.liftAll();
    await this.rbd.close();
  }
}
