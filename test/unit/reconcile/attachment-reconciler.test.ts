/**
 * The comparison over a real HTTP API: every cause gets its Event, a detach happens by proof alone, and no object is
 * ever changed.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY, type HolderRecord } from '../../../src/attachment/holder-record.js';
import { Events } from '../../../src/kube/events.js';
import { createLog } from '../../../src/observe/log.js';
import { AttachmentReconciler } from '../../../src/reconcile/attachment-reconciler.js';
import { EVENTS, NODES, PVS, VAS, CSI_NODES, until } from '../../kube/api-fixture.js';
import { attachmentFixture, OLD, VOLUME } from '../../kube/attachment-fixture.js';

const at = attachmentFixture();
const ended: (() => void)[] = [];
const counted: string[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
  counted.length = 0;
});

function reconciler(): AttachmentReconciler {
  const log = createLog('silent');
  const finds = () =>
    Promise.resolve([{ apiVersion: 'v1', kind: 'PersistentVolume', name: 'pv-1', uid: 'uid-of-pv-1' }]);
  const events = new Events(at.api, 'rbd.csi.berth.dev', finds, log);
  const count = (reason: string) => void counted.push(reason);
  at.attachments.start();
  ended.push(() => at.attachments.stop(), events.stop.bind(events));
  const room = {
    api: at.attachments,
    ceph: at.ceph,
    detach: at.detach,
    announce: events.announce,
    log,
    now: () => new Date(),
    count,
  };
  return new AttachmentReconciler(room, { everyMs: 1_000, ageMs: 60_000 });
}

async function round(): Promise<{ readonly reasons: string[]; readonly one: AttachmentReconciler }> {
  const one = reconciler();
  await one.round();
  return { reasons: one.findings().map(({ reason }) => reason), one };
}

const eventReasons = () => at.server.all(EVENTS).map((one) => one['reason']);
const changes = () => at.server.asked.filter(({ method, url }) => method !== 'GET' && !url.includes('/events'));

describe('a round finds', () => {
  it('nothing where API and image agree, and asks nothing of the node for that', async () => {
    await at.attach('a');
    at.va();
    expect((await round()).reasons).toEqual([]);
    expect(at.server.asked.filter(({ url }) => url.startsWith(NODES))).toEqual([]);
  });

  it('a deletion with the image still open, and leaves it, with an Event that names the client', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    at.open();
    expect((await round()).reasons).toEqual(['ImageStillOpen']);
    expect(at.holders()).toEqual(['a']);
    await until('its Event', () => at.server.all(EVENTS).length === 1);
    expect(at.server.all(EVENTS)[0]).toMatchObject({
      ...{ reason: 'ImageStillOpen', type: 'Warning', regarding: { kind: 'PersistentVolume', name: 'pv-1' } },
      note: expect.stringContaining('10.0.0.1:0/5') as string,
    });
  });

  it('a deletion that the healthy node keeps mounted, and does not even try', async () => {
    await at.attach('a');
    at.node('a', { inUse: [VOLUME] });
    at.va({ deleting: true });
    expect((await round()).reasons).toEqual(['StillMounted']);
    expect(at.detaches).toEqual([]);
  });

  it.each([
    ['NodeGone', () => at.server.remove(NODES, 'a')],
    ['CsiNodeGone', () => at.server.remove(CSI_NODES, 'a')],
    ['DriverGone', () => at.csiNode('a', ['other.example.org'])],
    ['NodeOutOfService', () => at.node('a', { taints: ['node.kubernetes.io/out-of-service'] })],
    ['NodeNotReady', () => at.node('a', { ready: 'Unknown' })],
    ['AttacherSilent', () => undefined],
  ])('%s of a deletion, completes the detach by its use case, and touches no object', async (reason, cause) => {
    await at.attach('a');
    cause();
    at.va({ deleting: true });
    const { reasons } = await round();
    expect(reasons).toEqual([reason]);
    expect(at.holders()).toEqual([]);
    expect(at.detaches).toEqual([`${VOLUME} a`]);
    expect(counted).toEqual([reason, 'DetachCompleted']);
    await until('both Events', () => at.server.all(EVENTS).length === 2);
    expect(eventReasons()).toEqual([reason, 'DetachCompleted']);
    expect(changes()).toEqual([]);
    expect(at.server.find(VAS, 'va-a')?.metadata.finalizers).toHaveLength(1);
  });

  it('a foreign finalizer, and does not touch it', async () => {
    at.va({ deleting: true, finalizers: ['example.org/mine'] });
    expect((await round()).reasons).toEqual(['ForeignFinalizer']);
    expect(changes()).toEqual([]);
  });

  it('a PersistentVolume that is gone', async () => {
    at.server.remove(PVS, 'pv-1');
    at.va({ deleting: true });
    expect((await round()).reasons).toEqual(['PersistentVolumeGone']);
  });

  it('an attachment that only the API knows, and one that waits for another node', async () => {
    await at.attach('b');
    at.va();
    expect((await round()).reasons.toSorted()).toEqual(['AttachedInApiOnly', 'HeldInCephOnly']);
    at.va({ attached: false });
    expect((await round()).reasons).toContain('HeldElsewhere');
  });

  it('a holder that the API does not know, and detaches it when it finds it twice', async () => {
    await at.attach('a');
    const { one, reasons } = await round();
    expect(reasons).toEqual(['HeldInCephOnly']);
    expect(at.holders()).toEqual(['a']);
    for (let i = 0; i < 5; i += 1) await one.round();
    expect(at.detaches).toEqual([]);
    await one.round();
    expect(at.detaches).toEqual([`${VOLUME} a`]);
    expect(at.holders()).toEqual([]);
  });

  it('a holder that a late stage took by itself, and releases it when it finds it twice', async () => {
    await at.attach('a');
    const { metadata } = at.cluster.image('berth-v')!;
    const record = JSON.parse(metadata.get(HOLDER_KEY)!) as HolderRecord;
    const taken = { node: 'a', since: OLD, by: 'node', state: 'staging', at: OLD, bootId: 'b' } as const;
    metadata.set(HOLDER_KEY, JSON.stringify({ ...record, holders: [taken] }));
    const { one, reasons } = await round();
    expect(reasons).toEqual(['HeldInCephOnly']);
    for (let i = 0; i < 5; i += 1) await one.round();
    expect(at.holders()).toEqual(['a']);
    await one.round();
    expect(at.holders()).toEqual([]);
  });

  it('but leaves a holder without a PersistentVolume of ours: it may be another cluster’s', async () => {
    await at.attach('a');
    at.server.remove(PVS, 'pv-1');
    const { one } = await round();
    for (let i = 0; i < 12; i += 1) await one.round();
    expect(at.detaches).toEqual([]);
    expect(one.findings().map(({ reason }) => reason)).toEqual(['HeldInCephOnly']);
  });
});

describe('a round decides nothing', () => {
  it('for a node that was granted the volume anew while it looked', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    const replace = (): void => {
      at.server.put(VAS, { ...at.server.find(VAS, 'va-a')!, metadata: { name: 'va-a', uid: 'another' } });
    };
    at.attachments.start();
    ended.push(() => at.attachments.stop());
    const room = { api: at.attachments, ceph: at.ceph, detach: at.detach, announce: replace, log: createLog('silent') };
    const one = new AttachmentReconciler({ ...room, now: () => new Date() }, { everyMs: 1_000, ageMs: 60_000 });
    expect(await one.round()).toMatchObject({ stuck: 1, detached: 0 });
    expect(at.detaches).toEqual([]);
    expect(at.holders()).toEqual(['a']);
  });

  it('while the API cannot be watched', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    const stale = new AttachmentReconciler(
      {
        ...{
          api: Object.assign(Object.create(at.attachments) as typeof at.attachments, {
            isFresh: () => Promise.resolve(false),
          }),
        },
        ...{
          ceph: at.ceph,
          detach: at.detach,
          announce: () => undefined,
          log: createLog('silent'),
          now: () => new Date(),
        },
      },
      { everyMs: 1_000, ageMs: 0 },
    );
    expect(await stale.round()).toBeUndefined();
    expect(at.detaches).toEqual([]);
  });

  it('for an attachment that is young', async () => {
    const young = new Date().toISOString();
    at.server.put(VAS, {
      metadata: { name: 'va-a', creationTimestamp: young, deletionTimestamp: young, finalizers: ['x'] },
      spec: { attacher: 'rbd.csi.berth.dev', nodeName: 'a', source: { persistentVolumeName: 'pv-1' } },
    });
    expect((await round()).reasons).toEqual([]);
  });

  it('for an attachment of another driver', async () => {
    at.server.put(VAS, {
      metadata: { name: 'va-a', finalizers: ['x'], creationTimestamp: '2020-01-01T00:00:00Z' },
      spec: { attacher: 'ebs.csi.aws.com', nodeName: 'a', source: { persistentVolumeName: 'pv-1' } },
    });
    expect((await round()).reasons).toEqual([]);
  });
});

describe('Events', () => {
  const note = (message: string, reason = 'NodeFenced') =>
    ({ kind: 'Warning', reason, message, about: { volume: VOLUME } }) as const;
  const events = (uid = 'u'): Events => {
    const finds = () => Promise.resolve([{ apiVersion: 'v1', kind: 'PersistentVolume', name: 'pv-1', uid }]);
    const made = new Events(at.api, 'rbd.csi.berth.dev', finds, createLog('silent'));
    ended.push(() => made.stop());
    return made;
  };

  it('are written once for what is said again and again', async () => {
    const one = events();
    for (let i = 0; i < 50; i += 1) one.announce(note(`time ${i}`));
    await until('the Event', () => at.server.all(EVENTS).length === 1);
    expect(at.server.asked.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('of two controllers about the same become one with a count', async () => {
    events().announce(note('first'));
    await until('the Event', () => at.server.all(EVENTS).length === 1);
    events().announce(note('second'));
    await until('its count', () => at.server.all(EVENTS)[0]?.['series'] !== undefined);
    expect(at.server.all(EVENTS)).toHaveLength(1);
    expect(at.server.all(EVENTS)[0]).toMatchObject({ series: { count: 2 }, note: 'first' });
  });

  it('are cut to what the API allows, and never fail their caller', async () => {
    const one = events();
    one.announce(note('ä'.repeat(2_000)));
    await until('the Event', () => at.server.all(EVENTS).length === 1);
    expect(Buffer.byteLength(String(at.server.all(EVENTS)[0]?.['note']))).toBeLessThanOrEqual(1024);
    at.server.denied.add('create events');
    one.announce(note('denied', 'Other'));
    await at.server.stop();
    one.announce(note('nobody there', 'Third'));
    await new Promise((resolve) => setTimeout(resolve, 100));
  });

  it('wait their turn in a flood', async () => {
    const one = events();
    for (let i = 0; i < 400; i += 1) one.announce(note('x', `Reason${i}`));
    await until('a burst', () => at.server.all(EVENTS).length >= 25);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(at.server.all(EVENTS).length).toBeLessThan(30);
  });
});
