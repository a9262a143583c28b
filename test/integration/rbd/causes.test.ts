/** What Ceph answers EINVAL, EMLINK or nothing to is refused by its true cause, on a real cluster. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../../src/model/secret.js';
import { imageSpec } from '../../../src/model/volume-id.js';
import type { ClusterAccess, ImageRef, RbdPort } from '../../../src/rbd/port.js';
import { capArguments, volumeCaps } from '../../../src/dev/ceph/users.js';
import { admin, barePool, cluster, isolatedPool, type IsolatedPool } from '../ceph.js';
import { realFixture, startLibrbd } from './librbd.js';
import { refused, soon, spec, type PortFixture } from './port.contract.js';

let fixture: PortFixture;
let port: RbdPort;
beforeAll(async () => {
  fixture = await realFixture('causes');
  port = fixture.port;
});
afterAll(() => fixture.close());
const image = (name: string): ImageRef => ({ ...fixture.at, image: name });
const rbd = (...args: string[]): Promise<string> => admin().rbd(args, soon());

describe('removing an image', () => {
  it('that is in a group names the group and how it leaves it', async () => {
    const at = image('grouped');
    const group = imageSpec(image('grp'));
    const id = await port.createImage(at, spec(), soon());
    await rbd('group', 'create', group);
    await rbd('group', 'image', 'add', group, imageSpec(at));
    const said = await refused(port.remove(at, soon()), 'BERTH_IMAGE_IN_GROUP');
    expect(said).toContain(`rbd group image rm ${group} ${imageSpec(at)}`);
    expect(await refused(port.usersOf(at, id, soon()), 'BERTH_IMAGE_IN_GROUP')).toBe(said);
    await rbd('group', 'image', 'rm', group, imageSpec(at));
    expect(await port.remove(at, soon())).toBe(true);
    await rbd('group', 'rm', group);
  });

  it('whose only snapshot is kept by clones, under a name that nobody gave, names the clones', async () => {
    const [at, clone] = [image('cloned'), image('clone')];
    const id = await port.createImage(at, spec(), soon());
    await rbd('snap', 'create', '--no-progress', `${imageSpec(at)}@s`);
    await rbd('clone', '--rbd-default-clone-format', '2', `${imageSpec(at)}@s`, imageSpec(clone));
    await rbd('snap', 'rm', '--no-progress', `${imageSpec(at)}@s`);
    expect((await port.inspect(at, soon())).clones).toEqual([imageSpec(clone)]);
    await refused(port.remove(at, soon()), 'BERTH_IMAGE_BUSY');
    expect(await port.usersOf(at, id, soon())).toMatchObject({ snapshots: 1, parentId: undefined });
    const { id: cloneId } = (await port.head(clone, soon()))!;
    expect(await port.usersOf(clone, cloneId, soon())).toMatchObject({ snapshots: 0, parentId: id });
    expect(await port.remove(clone, soon())).toBe(true);
    expect((await port.inspect(at, soon())).clones).toEqual([]);
    expect(await port.usersOf(at, id, soon())).toMatchObject({ snapshots: 0 });
    expect(await port.remove(at, soon())).toBe(true);
  });
});

describe('creating an image', () => {
  const pools: IsolatedPool[] = [];
  let fresh: RbdPort | undefined;
  afterEach(async () => {
    await fresh?.close();
    for (const pool of pools.splice(0)) await pool.remove();
  });

  it('with a data pool for which the user has no caps is denied at once, and made once he has them', async () => {
    const data = await isolatedPool('nocaps');
    pools.push(data);
    const { user } = fixture.at.access;
    const at = image('denied');
    const other = await rbd('create', '--size', '1', '--data-pool', data.pool, imageSpec(image('by-admin')));
    expect(other).toBe('');
    const said = await refused(port.createImage(at, spec({ dataPool: data.pool }), soon()), 'BERTH_CEPH_DENIED');
    expect(said).toContain(`user ${user} may not write to the data pool ${data.pool}`);
    expect(await port.head(at, soon())).toBeUndefined();
    await rbd('rm', '--no-progress', imageSpec(image('by-admin')));
    const caps = capArguments(volumeCaps([cluster().pool, data.pool]));
    const key = await admin().ceph(['auth', 'get-or-create-key', 'client.it-both', ...caps], soon());
    try {
      fresh = startLibrbd();
      const access: ClusterAccess = { ...fixture.at.access, user: 'it-both', key: new Secret(key.trim()) };
      await fresh.createImage({ ...at, access }, spec({ dataPool: data.pool }), soon());
      expect((await fresh.inspect({ ...at, access }, soon())).dataPool).toBe(data.pool);
      await fresh.remove({ ...at, access }, soon());
    } finally {
      await admin().ceph(['auth', 'rm', 'client.it-both'], soon());
    }
  });

  it('in an erasure coded pool, or with its data in one without overwrites, is refused by that', async () => {
    const pool = await barePool('ec-twin');
    pools.push(pool);
    const ec = `${pool.pool}-ec`;
    await admin().ceph(['osd', 'pool', 'create', ec, '1', '1', 'erasure'], soon());
    const caps = capArguments(volumeCaps([cluster().pool, ec]));
    const key = await admin().ceph(['auth', 'get-or-create-key', 'client.it-ec', ...caps], soon());
    try {
      fresh = startLibrbd();
      const access: ClusterAccess = { ...fixture.at.access, user: 'it-ec', key: new Secret(key.trim()) };
      const inside = { access, pool: ec, namespace: '', image: 'a' };
      expect(await refused(fresh.createImage(inside, spec(), soon()), 'BERTH_POOL_UNFIT')).toMatch(
        /erasure coded, and the names of images are kept in a replicated one; name it as dataPool/,
      );
      const beside = { ...image('b'), access };
      expect(await refused(fresh.createImage(beside, spec({ dataPool: ec }), soon()), 'BERTH_POOL_UNFIT')).toMatch(
        /erasure coded and does not allow overwrites/,
      );
      expect(await fresh.head(beside, soon())).toBeUndefined();
    } finally {
      await admin().ceph(['auth', 'rm', 'client.it-ec'], soon());
      await admin().ceph(['config', 'set', 'mon', 'mon_allow_pool_delete', 'true'], soon());
      await admin().ceph(['osd', 'pool', 'rm', ec, ec, '--yes-i-really-really-mean-it'], soon());
    }
  });
});
