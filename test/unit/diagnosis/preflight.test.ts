/** The table of checks: which are made where, that one that breaks stops no other, and that docs name them all. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHECKS, type Examined } from '../../../src/diagnosis/checks.js';
import { preflight, whyNoVolumeWorks } from '../../../src/diagnosis/preflight.js';
import { run } from '../../../src/host/process/exec.js';
import { ClusterDemands } from '../../../src/rbd/mapping/krbd/cluster-demands.js';
import { memoryCluster } from '../volume/controller/memory-cluster.js';

const cluster = memoryCluster();
let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-preflight-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const examined = (more: Partial<Examined> = {}): Examined => ({
  exec: run,
  rbd: cluster.rbd,
  demands: new ClusterDemands(cluster.rbd),
  clusters: cluster.clusters,
  installation: cluster.installation,
  kubernetes: {
    ...{ server: undefined, choice: 'off', fault: undefined, isPodWithoutAccount: false },
    rightsMissing: () => Promise.resolve([]),
  },
  roles: ['node'],
  stateDirectory: root,
  kubeletDirectory: undefined,
  driver: 'rbd.csi.berth.dev',
  mounter: 'auto',
  moreMappers: [],
  fencing: 'out-of-service',
  ...{ volumeUsers: false, nodeId: 'node-1' },
  versions: false,
  procRoot: path.join(root, 'proc'),
  sysRoot: path.join(root, 'sys'),
  flexVolume: false,
  ...{ pods: undefined, guests: undefined },
  install: undefined,
  ...more,
});
const capabilities = async (mask: string): Promise<void> => {
  await mkdir(path.join(root, 'proc/self'), { recursive: true });
  await writeFile(path.join(root, 'proc/self/status'), `CapEff:\t${mask}\n`);
};

describe('preflight', () => {
  it('goes on where a check breaks, and says which', async () => {
    const findings = await preflight(examined());
    expect(findings.find(({ name }) => name === 'privileges')).toMatchObject({
      ...{ level: 'warning', says: expect.stringMatching(/could not be determined: ENOENT/) as string },
    });
    expect(findings.find(({ name }) => name === 'state-directory')).toMatchObject({ level: 'ok' });
  });

  it('asks of a controller clock, Kubernetes, clusters, and its right to fence unless it never does', async () => {
    const names = async (more: Partial<Examined>): Promise<string[]> => {
      const findings = await preflight(examined({ roles: ['controller'], ...more }));
      return findings.map(({ name }) => name.split(' ')[0]!);
    };
    expect(await names({})).toEqual(['clock', 'kubernetes', 'monitor', 'cluster', 'health', 'fencing']);
    expect(await names({ fencing: 'never' })).toEqual(['clock', 'kubernetes', 'monitor', 'cluster', 'health']);
  });

  it('before an installation looks at pools and Kubernetes, at nothing that only the plugin’s pod has', async () => {
    const install = { kubernetes: undefined, hostRoot: root };
    const findings = await preflight(examined({ install, kubeletDirectory: '/var/lib/kubelet' }));
    const names = findings.map(({ name }) => name.split(' ')[0]!);
    expect(names).toEqual(expect.arrayContaining(['kubelet-root', 'kata', 'pool', 'kubernetes-version', 'mapper']));
    for (const name of ['state-directory', 'mount-propagation', 'installation']) expect(names).not.toContain(name);
  });

  it('says once that the clusters file cannot be used', async () => {
    const clusters = {
      all: () => Promise.reject(new Error('no such file')),
      access: () => Promise.reject(new Error()),
      registry: () => Promise.reject(new Error()),
    };
    const findings = await preflight(examined({ roles: ['controller'], clusters }));
    expect(findings.filter(({ name }) => !['clock', 'kubernetes'].includes(name))).toEqual([
      { name: 'clusters-file', level: 'failed', says: 'no such file' },
    ]);
  });
});

describe('readiness', () => {
  it('is kept away only by what stops every volume', async () => {
    await capabilities('000001ffffffffff');
    expect(await whyNoVolumeWorks(examined())).toBeUndefined();
    await capabilities('0000000000000000');
    expect(await whyNoVolumeWorks(examined())).toMatch(/CAP_SYS_ADMIN/);
  });
});

describe('docs/operations.md', () => {
  it('names every check', async () => {
    const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const [, table = ''] = page.split('| check | ok when | otherwise |\n|---|---|---|\n');
    const named = table
      .split('\n\n')[0]!
      .split('\n')
      .flatMap((row) => row.split('|')[1]!.split(/[\s:,]+/));
    expect(named).toEqual(expect.arrayContaining(CHECKS.map(({ name }) => name)));
  });
});
