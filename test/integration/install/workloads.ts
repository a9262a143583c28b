/**
 * What follows in a cluster when objects are made, changed and removed: pods of the workloads, with a driver in the
 * first of each; volumes of claims, by the driver's own calls.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { ApiServer, Thing } from '../../kube/api-server.js';
import type { KubeObject, PodSpec } from '../../unit/deploy/objects.js';
import { connect } from '../csi/calls.js';
import type { ApiFront } from './api/front.js';
import { collectionOf, type Resource } from './api/resources.js';
import { runDriver, type Machine, type Running } from './containers.js';

const PODS = '/api/v1/namespaces/berth-system/pods';
const PVS = '/api/v1/persistentvolumes';
const GiB = 2 ** 30;

export class Workloads {
  readonly #machine: Machine;
  readonly #api: ApiServer;
  readonly #front: ApiFront;
  /** By the workload's name: what its first pod runs. */
  readonly running = new Map<string, Running>();
  /** Are drivers to run in the pods? */
  runsDrivers = false;
  readonly #changes: (readonly [Resource, Thing, boolean])[] = [];

  constructor(machine: Machine, front: ApiFront) {
    this.#machine = machine;
    this.#api = machine.api;
    this.#front = front;
    front.reconcile = (...change) => void this.#changes.push(change);
  }

  /** What follows from all that was changed since, in order; throws what cannot follow. */
  async settled(): Promise<void> {
    for (let next = this.#changes.shift(); next !== undefined; next = this.#changes.shift())
      await this.#follow(...next);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.running.keys()].map((name) => this.#end(name)));
  }

  async #follow({ kind }: Resource, thing: Thing, isGone: boolean): Promise<void> {
    if (kind === 'Deployment' || kind === 'DaemonSet')
      await (isGone ? this.#end(thing.metadata.name) : this.#run(thing));
    if (kind === 'PersistentVolumeClaim') await (isGone ? this.#delete(thing) : this.#provision(thing));
    if (kind === 'Pod' && !isGone && thing['status'] === undefined) this.#put(thing, READY);
  }

  /** Changed under the watches' eyes, behind the reconciling. */
  #put(thing: Thing, change: object): void {
    const resource = this.#front.resourceOf(thing);
    this.#api.put(collectionOf(resource, thing.metadata.namespace ?? 'default'), { ...thing, ...change });
  }

  async #run(thing: Thing): Promise<void> {
    const { name } = thing.metadata;
    const { spec } = thing as unknown as KubeObject;
    const { template } = spec;
    await this.#end(name);
    const nodes = thing['kind'] === 'DaemonSet' ? [this.#machine.nodeName] : undefined;
    const count = nodes?.length ?? (spec['replicas'] as number);
    if (this.runsDrivers && (name === 'berth-controller' || name === 'berth-node'))
      await this.#start(name, template.spec);
    for (let index = 0; index < count; index += 1)
      this.#api.put(PODS, {
        ...{ apiVersion: 'v1', kind: 'Pod' },
        metadata: { name: `${name}-${index}`, namespace: 'berth-system', labels: { ...template.metadata.labels } },
        spec: { ...template.spec, nodeName: this.#machine.nodeName },
        ...READY,
      });
    const all = { replicas: count, updatedReplicas: count, readyReplicas: count, availableReplicas: count };
    const each = { desiredNumberScheduled: count, updatedNumberScheduled: count, numberReady: count };
    this.#put(thing, { status: nodes === undefined ? all : { ...each, numberAvailable: count } });
  }

  /** Until Probe says that it is ready, as the kubelet waits for it. */
  async #start(name: string, spec: PodSpec): Promise<void> {
    const running = runDriver(this.#machine, name === 'berth-node' ? 'n' : 'c', spec);
    this.running.set(name, running);
    const calls = connect(running.socket);
    const isReady = async (): Promise<boolean> =>
      (await calls.identity.Probe({}, 2_000).catch(() => undefined))?.ready?.value === true;
    const state = (): Promise<string> =>
      Promise.race([running.ended, isReady().then((ready) => (ready ? 'ready' : 'not ready'))]);
    try {
      await expect.poll(state).not.toBe('not ready');
      expect(await state()).toBe('ready');
    } catch (error) {
      throw new Error(`${name} is not ready: ${readFileSync(running.logFile, 'utf8').slice(-3_000)}`, { cause: error });
    } finally {
      calls.close();
    }
  }

  async #end(name: string): Promise<void> {
    const running = this.running.get(name);
    for (const { metadata } of this.#api.all(PODS))
      if (metadata.name.startsWith(`${name}-`)) this.#api.remove(PODS, metadata.name);
    this.running.delete(name);
    if (running === undefined) return;
    running.child.kill('SIGTERM');
    expect(await running.ended, `how ${name} ended`).toBe('exit code 0');
  }

  /** As csi-provisioner and csi-resizer do. */
  async #provision(claim: Thing): Promise<void> {
    const { name, namespace = 'default' } = claim.metadata;
    const { spec } = claim as unknown as {
      spec: { storageClassName: string; resources: { requests: { storage: string } } };
    };
    const { storage } = spec.resources.requests;
    const requiredBytes = Number(/^(\d+)Gi$/.exec(storage)![1]) * GiB;
    const calls = connect(this.running.get('berth-controller')!.socket);
    const bound = this.#api.find(PVS, `pvc-${name}`);
    try {
      const { parameters, secrets } = this.#classOf(spec.storageClassName);
      if (bound === undefined) {
        const about = { 'csi.storage.k8s.io/pvc/name': name, 'csi.storage.k8s.io/pvc/namespace': namespace };
        const { volume } = await calls.controller.CreateVolume({
          ...{ name: `pvc-${name}`, capacityRange: { requiredBytes, limitBytes: 0 }, secrets },
          parameters: { ...parameters, ...about, 'csi.storage.k8s.io/pv/name': `pvc-${name}` },
          volumeCapabilities: [{ mount: { fsType: 'ext4' }, accessMode: { mode: 'SINGLE_NODE_WRITER' } }],
        });
        const csi = { driver: 'rbd.csi.berth.dev', volumeHandle: volume!.volumeId };
        const kinded = { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: `pvc-${name}` } };
        this.#api.put(PVS, { ...kinded, spec: { csi, claimRef: { name, namespace } } });
      } else {
        const { volumeHandle: volumeId } = (bound['spec'] as { csi: { volumeHandle: string } }).csi;
        await calls.controller.ControllerExpandVolume({
          ...{ volumeId, capacityRange: { requiredBytes, limitBytes: 0 }, secrets },
        });
      }
    } finally {
      calls.close();
    }
    this.#put(claim, {
      spec: { ...spec, volumeName: `pvc-${name}` },
      status: { phase: 'Bound', capacity: { storage } },
    });
  }

  async #delete({ metadata: { name } }: Thing): Promise<void> {
    const volume = this.#api.find(PVS, `pvc-${name}`);
    const { volumeHandle: volumeId } = (volume!['spec'] as { csi: { volumeHandle: string } }).csi;
    const calls = connect(this.running.get('berth-controller')!.socket);
    try {
      await calls.controller.DeleteVolume({ volumeId, secrets: this.#classOf('berth-rbd').secrets });
    } finally {
      calls.close();
    }
    this.#api.remove(PVS, `pvc-${name}`);
  }

  /** Parameters that are the driver's, and what the provisioner's Secret says. */
  #classOf(name: string): { parameters: Record<string, string>; secrets: Record<string, string> } {
    const all = this.#api.find('/apis/storage.k8s.io/v1/storageclasses', name) as unknown as KubeObject;
    const own = Object.entries(all.parameters).filter(([key]) => !key.startsWith('csi.storage.k8s.io/'));
    const at = (key: string): string => all.parameters[`csi.storage.k8s.io/provisioner-secret-${key}`]!;
    const secret = this.#api.find(`/api/v1/namespaces/${at('namespace')}/secrets`, at('name'));
    const texts = Object.entries(secret!['data'] as Record<string, string>);
    const secrets = Object.fromEntries(texts.map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]));
    return { parameters: Object.fromEntries(own), secrets };
  }
}

const READY = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
