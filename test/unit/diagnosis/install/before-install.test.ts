/** `berth doctor --install`: what is missing on a node, in the clusters and in Kubernetes. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkKata } from '../../../../src/diagnosis/install/kata-configuration.js';
import { checkKubeletRoot } from '../../../../src/diagnosis/install/kubelet-root.js';
import { checkKubernetesForInstall } from '../../../../src/diagnosis/install/kubernetes.js';
import { checkPools } from '../../../../src/diagnosis/install/pools.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import { apiFixture } from '../../../kube/api-fixture.js';
import { memoryCluster } from '../../volume/controller/memory-cluster.js';

const DRIVER = 'rbd.csi.berth.dev';
const soon = (): Deadline => Deadline.after(60_000);
const cluster = memoryCluster();
const kube = apiFixture();
let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-install-checks-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function file(name: string, text: string): Promise<void> {
  await mkdir(path.join(root, path.dirname(name)), { recursive: true });
  await writeFile(path.join(root, name), text);
}

describe('pools', () => {
  const checked = () => checkPools({ ...cluster, roles: ['controller'] }, soon());

  it('that are there and may be read: ok, each with its user', async () => {
    expect(await checked()).toEqual([
      { name: 'pool c1/rbd (controller)', level: 'ok', says: 'client.berth reads it' },
      { name: 'pool c1/rbd/team (controller)', level: 'ok', says: 'client.berth reads it' },
      { name: 'pool c1/fast (controller)', level: 'ok', says: 'client.berth reads it' },
    ]);
    expect(
      await cluster.rbd.listRecords(
        { ...cluster.at('x'), access: cluster.at('x').access },
        'berth.registry',
        '',
        9,
        soon(),
      ),
    ).toEqual(new Map());
  });

  it('that is not there: failed, with what to do', async () => {
    cluster.rbd.failNext('listRecords', () => berthError('BERTH_POOL_NOT_FOUND', { pool: 'rbd', cluster: 'c1' }));
    const [first] = await checked();
    expect(first).toMatchObject({
      level: 'failed',
      says: expect.stringMatching(/does not exist.*rbd pool init/) as string,
    });
  });

  it('that its user may not read: failed, with the page of caps', async () => {
    cluster.rbd.failNext('listRecords', () => berthError('BERTH_CEPH_DENIED', { user: 'berth', what: 'read it' }));
    const [first] = await checked();
    expect(first).toMatchObject({ level: 'failed', says: expect.stringContaining('docs/ceph-users.md') as string });
  });

  it('a user that the clusters file does not name: failed for each place', async () => {
    const found = await checkPools({ ...cluster, roles: ['node'] }, soon());
    expect(found.map(({ level }) => level)).toEqual(['failed', 'failed', 'failed']);
    expect(found[0]?.says).toContain('users.node');
  });
});

describe('Kata', () => {
  const GO = 'opt/kata/share/defaults/kata-containers/configuration-qemu.toml';

  it('that is not there: ok', async () => {
    expect(await checkKata(root)).toEqual([{ name: 'kata', level: 'ok', says: 'no Kata on this node' }]);
  });

  it('that plugs block devices in: ok; runtime-rs is not asked', async () => {
    await file(GO, '[hypervisor.qemu]\n  disable_block_device_use = false\n');
    await file(
      'opt/kata/share/defaults/kata-containers/runtime-rs/configuration.toml',
      'disable_block_device_use = true\n',
    );
    expect(await checkKata(root)).toEqual([{ name: 'kata', level: 'ok', says: `/${GO}` }]);
  });

  it.each([
    ['says that it does not', 'disable_block_device_use = true\n', /says disable_block_device_use = true/],
    ['leaves it open', '#disable_block_device_use = false\n', /does not say disable_block_device_use/],
  ])('that %s: warning, naming the file', async (_, text, says) => {
    await file(GO, text);
    const [found] = await checkKata(root);
    expect(found).toMatchObject({ level: 'warning', says: expect.stringMatching(says) as string });
    expect(found?.says).toContain(`/${GO}`);
  });
});

describe('the kubelet’s root', () => {
  it('with its directories: ok; elsewhere: failed, naming the option; without a kubelet nothing', async () => {
    for (const name of ['plugins', 'plugins_registry', 'pods']) await file(`var/lib/kubelet/${name}/x`, '');
    expect(await checkKubeletRoot(root, '/var/lib/kubelet')).toMatchObject([{ level: 'ok' }]);
    const [found] = await checkKubeletRoot(root, '/var/lib/k0s/kubelet');
    expect(found).toMatchObject({ level: 'failed', says: expect.stringContaining('--kubelet-dir') as string });
    expect(await checkKubeletRoot(root, undefined)).toEqual([]);
  });
});

describe('Kubernetes', () => {
  const levels = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await checkKubernetesForInstall(kube.api, DRIVER, soon())).map(({ name, level }) => [name, level]),
    );
  const at = (name: string) =>
    checkKubernetesForInstall(kube.api, DRIVER, soon()).then((all) => all.find((one) => one.name === name)?.says);

  it('of today, with the snapshot CRDs and nothing in the way: all ok', async () => {
    kube.server.version = 'v1.36.2';
    kube.server.groups.add('snapshot.storage.k8s.io/v1');
    expect(await levels()).toEqual({
      'kubernetes-version': 'ok',
      'snapshot-crds': 'ok',
      'csi-driver': 'ok',
      namespace: 'ok',
    });
  });

  it.each([
    ['v1.25.16', 'failed', /older than 1\.26/],
    ['v1.30.4+k3s1', 'warning', /older-kubernetes/],
    ['v1.34.0', 'ok', /sidecars of today/],
  ])('%s: %s', async (version, level, says) => {
    kube.server.version = version;
    expect((await levels())['kubernetes-version']).toBe(level);
    expect(await at('kubernetes-version')).toMatch(says);
  });

  it('without the snapshot CRDs: a warning', async () => {
    expect((await levels())['snapshot-crds']).toBe('warning');
  });

  it('a CSIDriver that does not attach, a namespace that forbids privileged pods: failed', async () => {
    kube.server.put('/apis/storage.k8s.io/v1/csidrivers', {
      metadata: { name: DRIVER },
      spec: { attachRequired: false },
    });
    const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
    kube.server.put('/api/v1/namespaces', { metadata: { name: 'berth-system', labels } });
    expect(await levels()).toMatchObject({ 'csi-driver': 'failed', namespace: 'failed' });
    expect(await at('csi-driver')).toContain('attachRequired: false');
    expect(await at('namespace')).toContain('pod-security.kubernetes.io/enforce=privileged');
  });

  it('an account that may not look: a warning for that check alone', async () => {
    kube.server.denied.add('get namespaces');
    expect(await levels()).toMatchObject({ 'kubernetes-version': 'ok', namespace: 'warning' });
  });

  it('that was not given: said, and nothing else', async () => {
    expect(await checkKubernetesForInstall(undefined, DRIVER, soon())).toMatchObject([{ level: 'warning' }]);
  });
});
