/**
 * What any Kubernetes API does for Berth, the stand-in of the tests and a cluster of yours alike; leaves nothing
 * behind.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { KubeAccess } from '../../src/kube/access.js';
import { KubeApi } from '../../src/kube/api.js';
import { Attachments } from '../../src/kube/volume-attachments.js';
import { Events } from '../../src/kube/events.js';
import { nodeStates } from '../../src/kube/node-states.js';
import {
  EVENTS,
  PERSISTENT_VOLUMES,
  pathOf,
  VOLUME_ATTACHMENTS,
  type KubeObject,
  type Resource,
} from '../../src/kube/objects.js';
import { HttpWire } from '../../src/kube/http.js';
import { Deadline } from '../../src/model/deadline.js';
import { createLog } from '../../src/observe/log.js';
import { attacherFinalizer } from '../../src/diagnosis/attachment/attachment-facts.js';
import type { ImageStates } from '../../src/diagnosis/attachment/gather-attachment.js';
import { releaseAttachment } from '../../src/reconcile/release-attachment.js';
import { AttachmentReconciler } from '../../src/reconcile/attachment-reconciler.js';
import { until } from './api-fixture.js';

interface EventObject extends KubeObject {
  readonly reason?: string;
  readonly note?: string;
  readonly regarding?: { readonly name?: string };
  readonly series?: { readonly count?: number };
}

const soon = (): Deadline => Deadline.after(60_000);
const log = createLog('silent');

/** @param access called once, before the first test */
export function kubeContract(access: () => Promise<KubeAccess>): void {
  // A driver's name of its own: a Berth that runs in that cluster sees nothing of it.
  const id = randomBytes(4).toString('hex');
  const driver = `e2e-${id}.csi.berth.dev`;
  const volume = `c1/rbd/berth-${id}`;
  const pv = `berth-e2e-${id}`;
  const node = `berth-e2e-node-${id}`;
  const attachment = `berth-e2e-${id}`;
  let wire: HttpWire;
  let api: KubeApi;
  let attachments: Attachments;

  beforeAll(async () => {
    wire = new HttpWire(await access());
    api = new KubeApi(wire);
    attachments = new Attachments(api, driver, log);
    attachments.start();
  });
  afterEach(async () => {
    await lift(VOLUME_ATTACHMENTS, attachment);
    await lift(PERSISTENT_VOLUMES, pv);
    for (const one of await ourEvents()) await remove(EVENTS, one.metadata.name, 'default');
  });
  afterAll(() => {
    attachments.stop();
    api.close();
  });

  const remove = async (resource: Resource, name: string, namespace?: string): Promise<void> => {
    const method = 'DELETE' as 'GET';
    await wire.call({ method, path: pathOf(resource, name, namespace) }, soon());
  };
  const lift = async (resource: Resource, name: string): Promise<void> => {
    await remove(resource, name);
    await api.patch(resource, name, { metadata: { finalizers: [] } }, soon());
  };
  const ourEvents = async (): Promise<readonly EventObject[]> => {
    const isOurs = ({ regarding }: EventObject): boolean => regarding?.name === pv || regarding?.name === attachment;
    const keep = (raw: KubeObject) => (isOurs(raw) ? (raw as EventObject) : undefined);
    return (await api.list(EVENTS, keep, soon())).items;
  };
  const makeVolume = () =>
    api.create(
      PERSISTENT_VOLUMES,
      {
        ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: pv } },
        spec: {
          ...{ capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: `none-${id}` },
          ...{ persistentVolumeReclaimPolicy: 'Retain', csi: { driver, volumeHandle: volume } },
        },
      },
      soon(),
    );
  const makeAttachment = () => {
    const metadata = { name: attachment, finalizers: [attacherFinalizer(driver)] };
    const spec = { attacher: driver, nodeName: node, source: { persistentVolumeName: pv } };
    const draft = { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', metadata, spec };
    return api.create(VOLUME_ATTACHMENTS, draft, soon());
  };
  const events = (): Events =>
    new Events(
      api,
      driver,
      async () => {
        const found = await api.get(PERSISTENT_VOLUMES, pv, soon());
        return [{ apiVersion: 'v1', kind: 'PersistentVolume', name: pv, uid: found?.metadata.uid ?? '' }];
      },
      log,
    );
  /** Nobody holds it, and nobody may be asked to detach. */
  const ceph: ImageStates = {
    readHolders: () => Promise.resolve({ holders: [], elsewhere: [], mode: undefined, watchers: [], locks: '' }),
    listHolders: () => Promise.resolve([]),
  };
  const detach = () => Promise.reject(new Error('nothing was to be detached'));

  it('says of what is not there that it is not there, and of a node that it is absent', async () => {
    expect(await api.get(PERSISTENT_VOLUMES, pv, soon())).toBeUndefined();
    expect(await nodeStates(api, log).of(node, soon())).toBe('absent');
  });

  it('makes an object once, shows it in a list and in a watch, and lets it go', async () => {
    expect(await attachments.isFresh(soon())).toBe(true);
    expect([await makeVolume(), await makeVolume()]).toEqual([true, false]);
    expect((await api.list(PERSISTENT_VOLUMES, ({ metadata }) => metadata.name, soon())).items).toContain(pv);
    await until('the watch shows it', () => attachments.volumeOf(volume)?.name === pv);
    await lift(PERSISTENT_VOLUMES, pv);
    await until('the watch shows that it has gone', () => attachments.volumeOf(volume) === undefined);
  });

  it('refuses a change of what somebody else has changed meanwhile', async () => {
    await makeVolume();
    await makeAttachment();
    const seen = (await attachments.read(attachment, soon()))!;
    await api.patch(VOLUME_ATTACHMENTS, attachment, { metadata: { annotations: { 'berth.dev/e2e': 'x' } } }, soon());
    await expect(attachments.liftFinalizer(seen, attacherFinalizer(driver), soon())).rejects.toThrow(/KUBE_CONFLICT/);
    expect((await attachments.read(attachment, soon()))?.finalizers).toEqual([attacherFinalizer(driver)]);
  });

  it('keeps an attachment that is to go by its finalizer; an Event says why, the release ends it', async () => {
    await makeVolume();
    await makeAttachment();
    await remove(VOLUME_ATTACHMENTS, attachment);
    await until('the watch shows the deletion', () => attachments.all()[0]?.deletingSince !== undefined);
    const now = () => new Date(Date.now() + 1_000);
    const parts = { api: attachments, ceph, images: ceph, detach, announce: events().announce, log, now };
    const reconciler = new AttachmentReconciler(parts, { everyMs: 60_000, ageMs: 0 });
    await reconciler.round();
    expect(reconciler.findings().map(({ reason }) => reason)).toEqual(['NodeGone']);
    await eventually('its Event', async () => (await ourEvents()).some(({ reason }) => reason === 'NodeGone'));
    const wish = { name: attachment, finalizer: undefined, volume: undefined };
    expect((await releaseAttachment(parts, { ...wish, yes: false })).outcome).toBe('shown');
    expect(await releaseAttachment(parts, { ...wish, yes: true })).toMatchObject({ outcome: 'lifted', keptBy: [] });
    await eventually('it is gone', async () => (await attachments.read(attachment, soon())) === undefined);
  });

  it('counts an Event that is written again', async () => {
    await makeVolume();
    const note = { kind: 'Normal', reason: 'BerthContract', message: 'first', about: { volume } } as const;
    events().announce(note);
    await eventually('the Event', async () => (await ourEvents()).length === 1);
    events().announce({ ...note, message: 'second' });
    await eventually('its count', async () => (await ourEvents())[0]?.series?.count === 2);
    expect(await ourEvents()).toHaveLength(1);
  });
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not within 15 s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
