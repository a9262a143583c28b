/** Attach and detach where each volume has a Ceph user of its own, also cut short between the record and the user. */
import { beforeEach, describe, expect, it } from 'vitest';
import { userOf } from '../../../../../src/attachment/users/volume-user.js';
import { VolumeUsers } from '../../../../../src/attachment/users/volume-users.js';
import { berthError } from '../../../../../src/model/errors.js';
import { attachVolume } from '../../../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { detachVolume } from '../../../../../src/volume/controller/detach/detach-volume.js';
import { judgeUser, usersOf } from '../../../../../src/volume/controller/garbage/user-garbage.js';
import type { Garbage } from '../../../../../src/volume/controller/garbage/garbage.js';
import { creation, memoryCluster, mounted, noSecrets, place, soon } from '../memory-cluster.js';
import { createParts, detachParts, now } from '../use-case-parts.js';

const cluster = memoryCluster();
const volume = 'c1/rbd/berth-v';
const die = () => berthError('BERTH_WORKER_DIED', { what: 'test', how: 'killed' });
let parts: ReturnType<typeof detachParts> & { volumeUsers: VolumeUsers | undefined };

beforeEach(async () => {
  parts = { ...detachParts(cluster), volumeUsers: new VolumeUsers(cluster.rbd) };
  await createVolume(createParts(cluster), creation('v'), soon());
  const more = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date().toISOString() } as const;
  for (const node of ['a', 'b']) await parts.nodes.register(place(), { node, ...more }, soon());
});

const attach = (node: string, by = parts) =>
  attachVolume(by, { volume, node, capability: mounted, readOnly: false, secrets: noSecrets }, soon());
const detach = (node: string, by = parts) => detachVolume(by, { volume, node, secrets: noSecrets }, soon());
const users = (): readonly string[] => [...cluster.rbd.users.keys()];
async function garbage(): Promise<readonly Garbage[]> {
  const found: Garbage[] = [];
  const { rbd, clusters } = cluster;
  for await (const one of usersOf({ rbd, now }).all(place(), soon)) {
    const judged = await judgeUser({ rbd, clusters, now }, place(), one, soon());
    if (judged !== undefined) found.push(judged);
  }
  return found;
}

describe('attach', () => {
  it('makes the user of its grant, once', async () => {
    const grant = await attach('a');
    expect(await attach('a')).toBe(grant);
    expect(users()).toEqual([userOf(grant!)]);
    expect(await garbage()).toEqual([]);
  });

  it('whose user cannot be made: not answered, and made by the call that comes again', async () => {
    cluster.rbd.users.mayBeMade = false;
    await expect(attach('a')).rejects.toMatchObject({ code: 'BERTH_VOLUME_USER_FAILED', status: 'UNAVAILABLE' });
    cluster.rbd.users.mayBeMade = true;
    const grant = await attach('a');
    expect(users()).toEqual([userOf(grant!)]);
  });

  it('without --volume-users: makes nobody, and asks nothing more', async () => {
    await attach('a', { ...parts, volumeUsers: undefined });
    const asked = cluster.rbd.calls.filter(({ operation }) => operation === 'makeUser' || operation === 'objectsById');
    expect(asked).toEqual([]);
  });
});

describe('detach', () => {
  it('drops the user; the next attach has another', async () => {
    const first = await attach('a');
    await detach('a');
    expect(users()).toEqual([]);
    const second = await attach('b');
    expect(second).not.toBe(first);
    expect(users()).toEqual([userOf(second!)]);
  });

  it('cut short between the record and the user: not answered, and the repeated one drops him', async () => {
    await attach('a');
    cluster.rbd.failNext('dropUser', die);
    await expect(detach('a')).rejects.toMatchObject({ code: 'BERTH_WORKER_DIED' });
    expect(users()).toHaveLength(1);
    await detach('a');
    expect(users()).toEqual([]);
  });

  it('from every node: drops the user of each', async () => {
    await attach('a');
    await detach('');
    expect(users()).toEqual([]);
  });

  it('that is repeated when the volume is attached to the node again: leaves the new user alone', async () => {
    await attach('a');
    cluster.rbd.failNext('dropUser', die);
    await detach('a').catch(() => undefined);
    const again = await attach('a');
    const node = { node: 'a', installation: '', machine: undefined };
    const granted = () => Promise.resolve(new Set([again]));
    await parts.volumeUsers!.dropOthers(place(), node, { volume, granted }, soon());
    expect(users()).toEqual([userOf(again!)]);
  });
});

describe('berth garbage', () => {
  it('finds the user of a detach that nobody repeats, and removes him', async () => {
    await attach('a');
    await detach('a', { ...parts, volumeUsers: undefined });
    const [left] = await garbage();
    expect(left).toMatchObject({ kind: 'volume-user', where: `client.${users()[0]}` });
    expect('remove' in left!.end && (await left!.end.remove(undefined, soon()))).toBe(true);
    expect(users()).toEqual([]);
    expect(await garbage()).toEqual([]);
  });
});
