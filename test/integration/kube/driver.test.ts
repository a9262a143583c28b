/**
 * Real drivers on a real cluster beside an API server of their own: attachments that are stuck, a pod's RuntimeClass,
 * `berth trace`.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY, parseHolderRecord } from '../../../src/attachment/holder-record.js';
import { ApiServer } from '../../kube/api-server.js';
import { EVENTS, PODS, PVCS, PVS, RUNTIME_CLASSES, VAS } from '../../kube/api-fixture.js';
import { DRIVER, FINALIZER, OLD } from '../../kube/attachment-fixture.js';
import { Rights } from '../../kube/rights.js';
import { refused } from '../csi/calls.js';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';

const MAIN = path.resolve('dist/src/main.js');
const server = new ApiServer();
let site: Site;
let controller: Driver;
let node: Driver;
/** By the token of each: drivers are let do what the manifests allow their accounts, a person anything. */
const rights: Readonly<Record<string, Rights>> = {
  controller: new Rights('berth-controller', ['berth-driver']),
  node: new Rights('berth-node', ['berth-node']),
};
let config: string;

async function kubeconfig(token: string): Promise<string> {
  const file = path.join(site.directory, `kubeconfig-${token}`);
  const named = { 'current-context': 'x', contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }] };
  const rest = {
    clusters: [{ name: 'c', cluster: { server: server.url } }],
    users: [{ name: 'u', user: { token } }],
  };
  await writeFile(file, JSON.stringify({ ...named, ...rest }));
  return file;
}

beforeAll(async () => {
  server.mayCall = (token, call) => rights[token]?.allows(call) ?? true;
  await server.start();
  site = await Site.open('kube');
  config = await kubeconfig('person');
  const rounds = ['--reconcile-interval', '1', '--leftover-age', '60'];
  const both = 'identity,controller';
  const by = async (token: string): Promise<readonly string[]> => ['--kubernetes', await kubeconfig(token)];
  const settings = { services: both, arguments: [...(await by('controller')), ...rounds] };
  controller = await site.driver('controller', settings).start();
  node = await site.driver('node', { services: 'identity,node', arguments: await by('node') }).start();
});
afterEach(() => site.endVolumes());
afterAll(async () => {
  await site.close();
  await server.stop();
});

/** In the API: bound, and its attachment to the node on its way out since long. */
function leaving(volume: Volume, name: string): void {
  server.put(PVCS, { metadata: { name, namespace: 'shop' }, spec: { volumeName: `pv-${name}` } });
  const claimRef = { namespace: 'shop', name };
  server.put(PVS, {
    metadata: { name: `pv-${name}` },
    spec: { csi: { driver: DRIVER, volumeHandle: volume.id }, claimRef },
  });
  server.put(VAS, {
    metadata: { name: `va-${name}`, finalizers: [FINALIZER], creationTimestamp: OLD, deletionTimestamp: OLD },
    spec: { attacher: DRIVER, nodeName: node.nodeId, source: { persistentVolumeName: `pv-${name}` } },
    status: { attached: true },
  });
}

const events = (name: string): unknown[] =>
  server
    .all(EVENTS)
    .flatMap((one) => ((one['regarding'] as { name: string }).name === `pv-${name}` ? [one['reason']] : []));

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 100_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within 100 s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const berth = (...args: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    const all = [MAIN, ...args, '--kubernetes', config, '--clusters', site.clustersFile, '--state-dir', node.stateDir];
    execFile(process.execPath, all, (error, stdout, stderr) => resolve(`${stdout}${stderr}exit ${error?.code ?? 0}\n`));
  });

describe('VolumeAttachment to be deleted, its node gone from the API:', () => {
  it('is detached where nobody has the image open, and its finalizer waits for a person’s word', async () => {
    const volume = await site.create(controller, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.attach(node);
    leaving(volume, 'free');
    await eventually('the detach is announced', () => events('free').includes('DetachCompleted'));
    expect(events('free')).toContain('NodeGone');
    expect(await site.metadata(volume.image)).not.toHaveProperty('berth.dev/holder');
    expect(await berth('trace', 'shop/free')).toMatch(
      /holder record +nobody\n(.*\n)*broken +node: NodeGone: VolumeAttachment va-free(.*\n)*exit 2\n/,
    );
    // What an account may do is asked by a POST, and changes nothing.
    const asks = /\/events|\/selfsubjectaccessreviews/;
    expect(server.asked.filter(({ method, url }) => method !== 'GET' && !asks.test(url))).toEqual([]);
    expect(await berth('attachments', '--release', 'va-free')).toContain('nothing was changed');
    expect(await berth('attachments', '--release', 'va-free', '--yes')).toContain('the attachment goes');
    expect(server.find(VAS, 'va-free')).toBeUndefined();
  });

  it('stays where a client has the image open, which the Event, trace and release name', async () => {
    const volume = await site.create(controller, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.bring(node);
    leaving(volume, 'open');
    await eventually('the reason is announced', () => events('open').includes('ImageStillOpen'));
    const page = await berth('trace', volume.id);
    expect(page).toMatch(/journal, this node +staged since /);
    expect(page).toMatch(/^device +\/dev\/\w+, \d+ bytes$/m);
    expect(page).toMatch(/^mounts +\/\S+: ext4, rw$/m);
    const address = /^image open at +(\S+)$/m.exec(page)?.[1] ?? 'none';
    expect(page).toMatch(/broken +image open at: ImageStillOpen: .*open at(.*\n)*exit 2\n/);
    expect(await site.rbd('status', volume.image)).toContain(address);
    expect(await berth('attachments', '--release', 'va-open', '--yes')).toContain('BERTH_DETACH_UNPROVEN');
    expect(server.find(VAS, 'va-open')?.metadata.finalizers).toEqual([FINALIZER]);
    expect(await site.metadata(volume.image)).toHaveProperty('berth.dev/holder');
    server.put(VAS, { ...server.find(VAS, 'va-open')!, metadata: { name: 'va-open', finalizers: [] } });
    server.remove(VAS, 'va-open');
  });
});

describe('NodeStage beside Kubernetes, which attaches:', () => {
  it('never takes a volume that nobody attached, and leaves its record as it was', async () => {
    const volume = await site.create(controller, ext4(), { sizeBytes: SMALL_BYTES });
    const late = /BERTH_GRANT_OUTDATED: .*it is attached to no node/;
    await refused(volume.stage(node), 'FAILED_PRECONDITION', late);
    expect(await site.metadata(volume.image)).not.toHaveProperty(HOLDER_KEY);
    await volume.bring(node);
  });

  it('goes on with what the release before attached, and with what its late stage took by itself', async () => {
    const volume = await site.create(controller, ext4(), { sizeBytes: SMALL_BYTES });
    for (const by of ['controller', 'node'] as const) {
      await volume.attach(node);
      const record = parseHolderRecord((await site.metadata(volume.image))[HOLDER_KEY], volume.id)!;
      const before = JSON.stringify({ ...record, holders: [{ ...record.holders[0], by, grant: undefined }] });
      await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, before);
      await volume.stage(node, { publishContext: {} });
      await volume.publish(node, 'pod', { publishContext: {} });
      expect(await site.metadata(volume.image)).toHaveProperty(HOLDER_KEY, expect.stringContaining(`"by":"${by}"`));
      await volume.leave(node);
      expect(await site.metadata(volume.image)).not.toHaveProperty(HOLDER_KEY);
    }
  });
});

describe('a holder for which no VolumeAttachment asks', () => {
  const present = (volume: Volume, name: string) =>
    server.put(PVS, { metadata: { name: `pv-${name}` }, spec: { csi: { driver: DRIVER, volumeHandle: volume.id } } });

  it('left by a late stage of the release before is listed, and released by hand with its proof', async () => {
    const volume = await site.create(controller, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.attach(node);
    present(volume, 'late');
    const record = parseHolderRecord((await site.metadata(volume.image))[HOLDER_KEY], volume.id)!;
    const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    // Of this moment, so that the controller's own comparison leaves it alone for a minute.
    const now = new Date().toISOString();
    const taken = { node: node.nodeId, since: now, by: 'node', state: 'staging', at: now, bootId };
    await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, JSON.stringify({ ...record, holders: [taken] }));
    expect(await berth('attachments')).toContain(`HeldInCephOnly: the image of ${volume.id} names ${node.nodeId}`);
    const wish = ['attachments', '--holder', node.nodeId, '--volume', volume.id];
    const shown = await berth(...wish);
    expect(shown).toMatch(/^record: .* by the node itself .* staging since .*\n(.*\n)*watchers: nobody\n/);
    expect(shown).toMatch(/^proof: its node set out to stage it and has written nothing/m);
    expect(shown).toContain('nothing was changed, --yes does it');
    expect(await site.metadata(volume.image)).toHaveProperty(HOLDER_KEY);
    expect(await berth(...wish, '--yes')).toContain(`taken out of the record of ${volume.id}`);
    expect(await site.metadata(volume.image)).not.toHaveProperty(HOLDER_KEY);
    server.remove(PVS, 'pv-late');
  });

  it('is kept while its node has it staged and lives, with the reason, and its pod goes on', async () => {
    const volume = await site.create(controller, ext4(), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(node);
    const wish = ['attachments', '--holder', node.nodeId, '--volume', volume.id, '--yes'];
    expect(await berth(...wish)).toMatch(/BERTH_HOLDER_UNPROVEN: .*it is staged there and the node is alive/);
    await writeFile(path.join(target, 'goes-on'), 'yes');
    expect(await site.metadata(volume.image)).toHaveProperty(HOLDER_KEY);
  });
});

describe('NodePublish, the pod’s RuntimeClass', () => {
  const context = {
    'csi.storage.k8s.io/pod.name': 'db-0',
    'csi.storage.k8s.io/pod.namespace': 'shop',
    'csi.storage.k8s.io/pod.uid': 'uid-of-db-0',
  };
  const records = () => readdir(node.kataRecords).catch(() => []);

  it('decides that its virtual machine takes the volume, and the API’s silence decides nothing', async () => {
    server.put(PODS, { metadata: { name: 'db-0', namespace: 'shop' }, spec: { runtimeClassName: 'vm' } });
    server.put(RUNTIME_CLASSES, { metadata: { name: 'vm' }, handler: 'kata-qemu' });
    const volume = await site.create(controller, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.attach(node);
    await volume.stage(node);
    server.denied.add('get pods');
    await refused(
      volume.publish(node, 'pod', { volumeContext: context }),
      'PERMISSION_DENIED',
      /BERTH_KUBE_DENIED.*get pods/,
    );
    expect(await records()).toEqual([]);
    server.denied.clear();
    await volume.publish(node, 'pod', { volumeContext: context });
    expect(await records()).toHaveLength(1);
  });
});

describe('the manifests', () => {
  it('allow both accounts all that their drivers asked of the API in these lives', () => {
    expect(server.asked.length).toBeGreaterThan(20);
    expect([rights['controller']?.refused, rights['node']?.refused]).toEqual([[], []]);
  });
});
