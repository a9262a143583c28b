/** What the kernel's client does not know of a cluster, as doctor and Probe say it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkKernelClient, whyNoClusterForKernel } from '../../../../src/diagnosis/ceph/kernel-client.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { Secret } from '../../../../src/model/secret.js';
import type { ClusterConfig } from '../../../../src/rbd/clusters-file.js';
import type { ClientDemands } from '../../../../src/rbd/port.js';

const AES = 'AQDdAVxnAAAAABAAqKZyfvbOBMsQ2GvTJm0AnA==';
const AES256K = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0]), Buffer.alloc(32)]).toString(
  'base64',
);
const NOTHING: ClientDemands = { leastRelease: 'luminous', movedPrimaries: [], v2Only: false };
const MOVED: ClientDemands = { leastRelease: 'reef', movedPrimaries: ['p'], v2Only: false };
const soon = (): Deadline => Deadline.after(60_000);

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-kernel-client-'));
  await mkdir(path.join(root, 'sys/bus/rbd'), { recursive: true });
  await mkdir(path.join(root, 'proc'));
  await writeFile(path.join(root, 'proc/kallsyms'), '0000000000000000 T ceph_crypto_key_decode\t[libceph]\n');
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Clusters by their names, each with a pool `p` and one more. */
function parts(asked: Readonly<Record<string, ClientDemands | undefined>>, key = AES) {
  const pools = [{ name: 'p' }, { name: 'other' }];
  const all = Object.keys(asked).map((id) => ({ id, monitors: ['10.0.0.1'], pools }) as unknown as ClusterConfig);
  const times: number[] = [];
  return {
    times,
    demands: {
      of: ({ cluster }: { cluster: string }, _: Deadline, holdsMs = -1) => {
        times.push(holdsMs);
        return Promise.resolve(asked[cluster]);
      },
    },
    clusters: {
      all: () => Promise.resolve(all),
      access: ({ id, monitors }: ClusterConfig) =>
        Promise.resolve({ cluster: id, monitors, user: 'u', key: new Secret(key) }),
    },
    mounter: 'auto' as const,
    sysRoot: path.join(root, 'sys'),
    procRoot: path.join(root, 'proc'),
  };
}

describe('the kernel´s client', () => {
  it('is fine where a cluster asks for nothing new; of one that does not say, nothing is said', async () => {
    const both = parts({ one: NOTHING, two: undefined });
    expect(await checkKernelClient(both, soon())).toMatchObject([{ name: 'kernel-client one', level: 'ok' }]);
    expect(await whyNoClusterForKernel(both, soon())).toBeUndefined();
    const msr = parts({ one: { ...NOTHING, leastRelease: 'squid' }, two: undefined });
    expect(await checkKernelClient(msr, soon())).toMatchObject([{ name: 'kernel-client one', level: 'failed' }]);
    expect(await whyNoClusterForKernel(msr, soon())).toBeUndefined();
  });

  it('that can map nothing is a failure, and the node is not ready', async () => {
    const one = parts({ one: MOVED });
    expect(await checkKernelClient(one, soon())).toMatchObject([
      { level: 'failed', says: expect.stringMatching(/chosen by hand in pool p, pg-upmap-primary/) as string },
    ]);
    expect(await whyNoClusterForKernel(one, soon())).toMatch(/^one: .*chosen by hand .*rm-pg-upmap-primary/);
    const msr = parts({ one: { ...NOTHING, leastRelease: 'squid' } });
    expect(await whyNoClusterForKernel(msr, soon())).toMatch(/^one: .*MSR/);
  });

  it('that can map nothing of one cluster is a warning while there is another', async () => {
    const both = parts({ one: { ...NOTHING, leastRelease: 'squid' }, two: NOTHING });
    expect((await checkKernelClient(both, soon())).map(({ level }) => level)).toEqual(['warning', 'ok']);
    expect(await whyNoClusterForKernel(both, soon())).toBeUndefined();
  });

  it('that does not know the type of the node´s key says so, and how to make another', async () => {
    const one = parts({ one: NOTHING }, AES256K);
    expect(await checkKernelClient(one, soon())).toMatchObject([
      { level: 'failed', says: expect.stringMatching(/type 2 \(aes256k\).*ceph-users\.md/) as string },
    ]);
    expect(await whyNoClusterForKernel(one, soon())).toMatch(/^one: its key is of type 2/);
  });

  it('is not looked at where it maps nothing here', async () => {
    const msr = parts({ one: { ...NOTHING, leastRelease: 'squid' } }, AES256K);
    expect(await checkKernelClient({ ...msr, mounter: 'nbd' }, soon())).toEqual([]);
    await rm(path.join(root, 'sys/bus/rbd'), { recursive: true });
    expect(await whyNoClusterForKernel(msr, soon())).toBeUndefined();
    expect(msr.times).toEqual([]);
  });

  it('is asked about for the doctor now, and by Probe of an idle node never again', async () => {
    const one = parts({ one: NOTHING });
    await checkKernelClient(one, soon());
    await whyNoClusterForKernel(one, soon());
    expect(one.times).toEqual([0, Infinity]);
  });
});
