/**
 * What every RbdPort must do with an image's first bytes and with snapshots of it; run against the fake and against
 * librbd.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageRef, RbdPort } from '../../../src/rbd/port.js';
import type { ImageById } from '../../../src/rbd/port/group-port.js';
import { MIB, refused, soon, spec, type PortFixture } from './port.contract.js';

export function describeSnapshots(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name} keeps the contract of RbdPort for snapshots`, () => {
    let fixture: PortFixture;
    let port: RbdPort;
    beforeAll(async () => {
      fixture = await prepare();
      port = fixture.port;
    });
    afterAll(() => fixture.close());
    const made = async (image: string, sizeBytes = MIB) => {
      const at = { ...fixture.at, image };
      await port.createImage(at, spec({ sizeBytes }), soon());
      return at;
    };

    it('reads zeroes where nothing was written, and no more than there is', async () => {
      const at = await made('start', 512n);
      expect(Buffer.from(await port.readStart(at, 4096, soon()))).toEqual(Buffer.alloc(512));
      await refused(port.readStart({ ...at, image: 'never-made' }, 4096, soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    it('takes a snapshot twice as once, goes back to it as often as asked, and removes it once', async () => {
      const at = await made('snapshots');
      await port.createSnapshot(at, 'before', soon());
      await port.createSnapshot(at, 'before', soon());
      expect((await port.inspect(at, soon())).snapshots).toEqual(['before']);
      const before = await port.readStart(at, 4096, soon());
      await fixture.write(at);
      expect(await port.rollBack(at, 'before', soon())).toBe(true);
      expect(await port.rollBack(at, 'before', soon())).toBe(true);
      expect(await port.readStart(at, 4096, soon())).toEqual(before);
      expect(await port.removeSnapshot(at, 'before', soon())).toBe(true);
      expect(await port.removeSnapshot(at, 'before', soon())).toBe(false);
      expect(await port.rollBack(at, 'before', soon())).toBe(false);
      expect(await port.remove(at, soon())).toBe(true);
      await refused(port.createSnapshot(at, 'before', soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    it('says the id of a snapshot that it takes, by which size, time and image are found', async () => {
      const at = await made('by-id', 8n * MIB);
      const { id: imageId } = (await port.head(at, soon()))!;
      const before = Date.now();
      const id = await port.createSnapshot(at, 'first', soon());
      expect(await port.createSnapshot(at, 'first', soon())).toBe(id);
      await port.cutById(fixture.at, imageId, 'first', soon());
      const { snapshots } = (await port.snapshotsById(fixture.at, imageId, soon()))!;
      expect(snapshots.map((one) => one.id)).toEqual([id]);
      await port.resize(at, 16n * MIB, soon());
      const { head, snapshot } = (await port.snapshotById(fixture.at, imageId, id, soon()))!;
      expect(head).toEqual(await port.head(at, soon()));
      expect(snapshot).toMatchObject({ id, name: 'first', kind: 'user', sizeBytes: 8n * MIB, cloneCount: 0 });
      // The OSD's clock and ours are one here; a minute is more than any load.
      expect(Math.abs(snapshot.createdAt.getTime() - before)).toBeLessThan(60_000);
      expect(await port.nameById(fixture.at, imageId, soon())).toBe('by-id');
    });

    it('finds neither snapshot nor name of what is not there, and tells a pool that is not', async () => {
      const at = await made('lacks', MIB);
      const { id: imageId } = (await port.head(at, soon()))!;
      expect(await port.snapshotById(fixture.at, imageId, 4_000_000_000n, soon())).toBeUndefined();
      expect(await port.snapshotById(fixture.at, 'abcdef', 1n, soon())).toBeUndefined();
      expect(await port.snapshotsById(fixture.at, 'abcdef', soon())).toBeUndefined();
      expect(await port.nameById(fixture.at, 'abcdef', soon())).toBeUndefined();
      expect(await port.removeSnapshotById(fixture.at, imageId, 4_000_000_000n, soon())).toBe(false);
      await refused(port.removeSnapshotById(fixture.at, 'abcdef', 1n, soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.cutById(fixture.at, 'abcdef', 's', soon()), 'BERTH_IMAGE_NOT_FOUND');
      const nowhere = { ...fixture.at, pool: 'no-such-pool' };
      await refused(port.snapshotById(nowhere, imageId, 1n, soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.snapshotsById(nowhere, imageId, soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.nameById(nowhere, imageId, soon()), 'BERTH_POOL_NOT_FOUND');
    });

    it('lists the snapshots of an image by its id, oldest first, and removes one by its own', async () => {
      const at = await made('listed');
      const { id: imageId } = (await port.head(at, soon()))!;
      const none = (await port.snapshotsById(fixture.at, imageId, soon()))!;
      expect(none).toEqual({ head: await port.head(at, soon()), snapshots: [] });
      const ids = [];
      for (const name of ['b', 'a', 'ü']) ids.push(await port.createSnapshot(at, name, soon()));
      const names = async () => (await port.snapshotsById(fixture.at, imageId, soon()))!.snapshots;
      expect((await names()).map(({ id, name }) => [id, name])).toEqual([
        [ids[0], 'b'],
        [ids[1], 'a'],
        [ids[2], 'ü'],
      ]);
      expect(await port.removeSnapshotById(fixture.at, imageId, ids[1]!, soon())).toBe(true);
      expect(await port.removeSnapshotById(fixture.at, imageId, ids[1]!, soon())).toBe(false);
      expect((await names()).map(({ name }) => name)).toEqual(['b', 'ü']);
    });

    it('does not call an image empty whose data stands in a snapshot alone', async () => {
      const at = await made('was-written');
      await port.createSnapshot(at, 'empty', soon());
      expect(await port.isEmpty(at, soon())).toBe(true);
      await fixture.write(at);
      await port.createSnapshot(at, 'written', soon());
      await port.rollBack(at, 'empty', soon());
      expect(await port.isEmpty(at, soon())).toBe(false);
    });

    it('takes one snapshot of each of several images, in their order, or of none', async () => {
      const all = [await made('first-of-group'), await made('second-of-group')];
      const { access, pool, namespace } = fixture.at;
      const idOf = async (at: ImageRef): Promise<ImageById> => {
        const { id: imageId } = (await port.head(at, soon()))!;
        return { pool, namespace, imageId };
      };
      const [first, second] = [await idOf(all[0]!), await idOf(all[1]!)];
      const ids = await port.cutTogether(access, [second, first], 'together', soon());
      const found = [second, first].map(({ imageId }, n) => port.snapshotById(fixture.at, imageId, ids[n]!, soon()));
      for (const one of await Promise.all(found))
        expect(one?.snapshot).toMatchObject({ name: 'together', kind: 'user' });

      const gone = { ...second, imageId: 'abcdef' };
      await refused(port.cutTogether(access, [first, gone], 'not-there', soon()), 'BERTH_IMAGE_NOT_FOUND');
      const unlock = await fixture.lock(all[1]!, 'somebody');
      const locked = await refused(port.cutTogether(access, [first, second], 'locked', soon()), 'BERTH_IMAGE_LOCKED');
      expect(locked).toMatch('somebody');
      await unlock();
      const plain = { ...fixture.at, image: 'plain-of-group' };
      await port.createImage(plain, spec({ features: ['layering'] }), soon());
      const unfit = port.cutTogether(access, [first, await idOf(plain)], 'unfit', soon());
      expect(await refused(unfit, 'BERTH_GROUP_UNFIT')).toMatch('exclusive-lock');
      const { snapshots } = (await port.snapshotsById(fixture.at, first.imageId, soon()))!;
      expect(snapshots.map((one) => one.name)).toEqual(['together']);
    });

    it('refuses to take or remove a snapshot beside an advisory lock, naming it', async () => {
      const at = await made('locked');
      const { id: imageId } = (await port.head(at, soon()))!;
      const id = await port.createSnapshot(at, 'kept', soon());
      const unlock = await fixture.lock(at, 'somebody');
      try {
        const locked = 'BERTH_IMAGE_LOCKED';
        expect(await refused(port.cutById(fixture.at, imageId, 's', soon()), locked)).toMatch('somebody');
        expect(await refused(port.removeSnapshotById(fixture.at, imageId, id, soon()), locked)).toMatch('somebody');
      } finally {
        await unlock();
      }
      expect(await port.removeSnapshotById(fixture.at, imageId, id, soon())).toBe(true);
    });
  });
}
