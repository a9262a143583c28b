/** What the kernel's client does not know, told before it waits for ever. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadline } from '../../../../../src/model/deadline.js';
import { Secret } from '../../../../../src/model/secret.js';
import type { ClientDemands } from '../../../../../src/rbd/port.js';
import { ClusterDemands } from '../../../../../src/rbd/mapping/krbd/cluster-demands.js';
import { knowsNewKeys, whyNotCluster, whyNotKey } from '../../../../../src/rbd/mapping/krbd/kernel-limits.js';

const NOTHING: ClientDemands = { leastRelease: 'luminous', movedPrimaries: [], v2Only: false };
const MOVED: ClientDemands = { leastRelease: 'reef', movedPrimaries: ['fast'], v2Only: false };
const AES = 'AQDdAVxnAAAAABAAqKZyfvbOBMsQ2GvTJm0AnA==';
const AES256K = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0]), Buffer.alloc(32)]).toString(
  'base64',
);

describe('a cluster', () => {
  it('can be mapped from where nothing is asked', () => {
    expect(whyNotCluster(NOTHING)).toBeUndefined();
    expect(whyNotCluster({ ...NOTHING, leastRelease: '' })).toBeUndefined();
  });

  it('cannot where primaries of any pool were chosen by hand: the monitors turn the kernel away', () => {
    const words = /lets in clients of Ceph reef .*chosen by hand in pool fast.*rm-pg-upmap-primary.*mounter: nbd/;
    expect(whyNotCluster(MOVED)).toMatch(words);
    expect(whyNotCluster({ ...MOVED, leastRelease: '' })).toMatch(words);
    expect(whyNotCluster({ ...MOVED, movedPrimaries: [] })).toMatch(/lets in clients of Ceph reef .*chosen by hand,/);
  });

  it.each(['squid', 'tentacle'])('cannot where clients have to be of %s', (leastRelease) => {
    expect(whyNotCluster({ ...NOTHING, leastRelease })).toMatch(/CRUSH rule of type MSR.*mounter: nbd/);
  });
});

describe('a key of type aes256k', () => {
  let procRoot: string;
  beforeEach(async () => {
    procRoot = await mkdtemp(path.join(tmpdir(), 'berth-kallsyms-'));
  });
  afterEach(() => rm(procRoot, { recursive: true, force: true }));
  const symbols = (...names: readonly string[]) => {
    const lines = names.map((one) => `0000000000000000 T ${one}\t[libceph]\n`);
    // More than one piece of the file.
    const others = '0000000000000000 T any_other_symbol\n'.repeat(4_000);
    return writeFile(path.join(procRoot, 'kallsyms'), others + lines.join(''));
  };

  it('is known to a kernel whose libceph has the symbols for it, whatever its version', async () => {
    await symbols('ceph_crypto_key_decode', 'ceph_crypto_key_prepare');
    expect(await knowsNewKeys(procRoot)).toBe(true);
    expect(await whyNotKey(AES256K, procRoot)).toBeUndefined();
  });

  it('is not known to one whose libceph has others only', async () => {
    await symbols('ceph_crypto_key_clone', 'ceph_crypto_key_decode');
    expect(await whyNotKey(AES256K, procRoot)).toMatch(/type 2 \(aes256k\).*Linux 7\.0.*ceph-users\.md/);
    expect(await whyNotKey(AES, procRoot)).toBeUndefined();
  });

  it('is not judged while libceph is not loaded, or where no symbols are shown', async () => {
    expect(await knowsNewKeys(procRoot)).toBeUndefined();
    await symbols();
    expect(await knowsNewKeys(procRoot)).toBeUndefined();
    expect(await whyNotKey(AES256K, procRoot)).toBeUndefined();
    await symbols('ceph_crypto_key_decode');
    expect(await knowsNewKeys(procRoot)).toBe(false);
  });
});

describe('what a cluster asks', () => {
  const access = { cluster: 'c', monitors: ['10.0.0.1'], user: 'u', key: new Secret(AES) };
  const soon = (): Deadline => Deadline.after(60_000);
  let now = 0;
  let asked = 0;
  let answer: () => Promise<ClientDemands> = () => Promise.resolve(NOTHING);
  const demands = (): ClusterDemands => {
    [now, asked] = [0, 0];
    const clientDemands = () => {
      asked += 1;
      return answer();
    };
    return new ClusterDemands({ clientDemands }, () => now);
  };

  it('is asked once for many maps, and again after ten minutes', async () => {
    answer = () => Promise.resolve(NOTHING);
    const all = demands();
    await Promise.all([all.of(access, soon()), all.of(access, soon())]);
    now = 599_000;
    expect(await all.of(access, soon())).toEqual(NOTHING);
    expect(asked).toBe(1);
    now = 600_000;
    expect(await all.of(access, soon(), Infinity)).toEqual(NOTHING);
    expect(asked).toBe(1);
    await all.of(access, soon());
    expect(asked).toBe(2);
  });

  it('is asked again soon where it is something: an operator may take it back', async () => {
    answer = () => Promise.resolve(MOVED);
    const all = demands();
    expect(await all.of(access, soon(), Infinity)).toEqual(MOVED);
    now = 9_999;
    await all.of(access, soon(), Infinity);
    expect(asked).toBe(1);
    answer = () => Promise.resolve(NOTHING);
    now = 10_000;
    expect(await all.of(access, soon(), Infinity)).toEqual(NOTHING);
  });

  it('is not known where the cluster does not say it, or not in time, and nobody fails for that', async () => {
    answer = () => Promise.reject(new Error('refused'));
    expect(await demands().of(access, soon())).toBeUndefined();
    answer = () => new Promise(() => undefined);
    expect(await demands().of(access, Deadline.after(20))).toBeUndefined();
  });
});
