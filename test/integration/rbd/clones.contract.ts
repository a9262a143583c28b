/** What every RbdPort must do with clones; run against the fake and against librbd. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KnownMetadata, NewClone } from '../../../src/rbd/port/clone-port.js';
import { extentsFrom } from '../../../src/volume/controller/flatten/extent-parts.js';
import type { ImageRef, RbdPort } from '../../../src/rbd/port.js';
import { MIB, refused, soon, spec, type PortFixture } from './port.contract.js';

const shape = (change: Partial<NewClone> = {}): NewClone => {
  const { features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool } = spec();
  return { features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool, ...change };
};

export function describeClones(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name} keeps the contract of RbdPort for clones`, () => {
    let fixture: PortFixture;
    let port: RbdPort;
    let used = 0;
    beforeAll(async () => {
      fixture = await prepare();
      port = fixture.port;
    });
    afterAll(() => fixture.close());

    /** An image, written to or not, with a snapshot, and the name of a clone. */
    const prepared = async (written = false, features = spec().features) => {
      const at: ImageRef = { ...fixture.at, image: `source-${++used}` };
      const id = await port.createImage(at, spec({ sizeBytes: 8n * MIB, features }), soon());
      if (written) await fixture.write(at);
      const snapshotId = await port.createSnapshot(at, 'cut', soon());
      const { pool, namespace, image } = at;
      return { at, id, snapshotId, from: { pool, namespace, image, snapshot: 'cut' }, child: clone(`clone-${used}`) };
    };
    const clone = (image: string): ImageRef => ({ ...fixture.at, image });

    it('makes a clone of the size of the snapshot, which knows of it and has all that its source says', async () => {
      const { at, id, snapshotId, from, child } = await prepared();
      await port.setMetadata(at, id, new Map([['berth.dev/volume', 'of the source']]), soon());
      await port.resize(at, 12n * MIB, soon());
      const made = await port.cloneImage(child, from, shape(), soon());
      const { pool, namespace } = at;
      const createdAt = expect.any(Date) as Date;
      const parent = { pool, namespace, imageId: id, snapshotId, isLinked: true, createdAt };
      const before = Date.now() - 60_000;
      const seen = await port.parentById(child, made, soon());
      expect(seen).toEqual(parent);
      expect(seen!.createdAt.getTime()).toBeGreaterThan(before);
      expect(await port.parentById(at, id, soon())).toBeUndefined();
      const head = await port.head(child, soon());
      expect(head).toMatchObject({ id: made, sizeBytes: 8n * MIB });
      expect(head?.metadata).toEqual(new Map([['berth.dev/volume', 'of the source']]));
      expect(await port.snapshotById(at, id, snapshotId, soon())).toMatchObject({ snapshot: { cloneCount: 1 } });
    });

    it('gives a clone features and objects of its own', async () => {
      const { from, child } = await prepared();
      await port.cloneImage(child, from, shape({ features: ['layering'], objectSizeBytes: 1_048_576 }), soon());
      const head = await port.head(child, soon());
      expect(head?.objectSizeBytes).toBe(1_048_576);
      expect(head?.features.filter((one) => one !== 'operations')).toEqual(['layering']);
    });

    it('refuses a name that is taken, and tells what is missing', async () => {
      const { at, from, child } = await prepared();
      const first = await port.cloneImage(child, from, shape(), soon());
      await refused(port.cloneImage(child, from, shape(), soon()), 'BERTH_IMAGE_EXISTS');
      expect((await port.head(child, soon()))?.id).toBe(first);
      const other = clone(`other-${used}`);
      const gone = (change: object) => port.cloneImage(other, { ...from, ...change }, shape(), soon());
      expect(await refused(gone({ snapshot: 'never-cut' }), 'BERTH_IMAGE_NOT_FOUND')).toContain('@never-cut');
      await refused(gone({ image: 'never-made' }), 'BERTH_IMAGE_NOT_FOUND');
      await refused(gone({ pool: 'no-such-pool' }), 'BERTH_POOL_NOT_FOUND');
      await refused(port.cloneImage(other, from, shape({ dataPool: 'no-such-pool' }), soon()), 'BERTH_POOL_NOT_FOUND');
      expect(await port.head(other, soon())).toBeUndefined();
      expect(await port.parentById(at, 'abcdef', soon())).toBeUndefined();
    });

    it('refuses a source on which nothing can stand', async () => {
      const { from, child } = await prepared(false, ['exclusive-lock']);
      await refused(port.cloneImage(child, from, shape(), soon()), 'BERTH_SOURCE_UNFIT');
      expect(await port.head(child, soon())).toBeUndefined();
    });

    it('tells what a clone has of itself from what it stands on', async () => {
      const [full, bare] = [await prepared(true), await prepared()];
      for (const { from, child } of [full, bare]) {
        await port.cloneImage(child, from, shape(), soon());
        expect(await port.isUnwritten(child, soon())).toBe(true);
      }
      expect(await port.isEmpty(full.child, soon())).toBe(false);
      expect(await port.isEmpty(bare.child, soon())).toBe(true);
      await fixture.write(bare.child);
      expect(await port.isUnwritten(bare.child, soon())).toBe(false);
      await refused(port.isUnwritten(clone('never-made'), soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    it('keeps a removed snapshot for its clone, and no longer', async () => {
      const { at, id, snapshotId, from, child } = await prepared(true);
      await port.cloneImage(child, from, shape(), soon());
      expect(await port.removeSnapshotById(at, id, snapshotId, soon())).toBe(true);
      expect(await port.snapshotById(at, id, snapshotId, soon())).toMatchObject({
        snapshot: { kind: 'trash', nameBefore: from.snapshot },
      });
      expect(await port.remove(child, soon())).toBe(true);
      expect(await port.snapshotById(at, id, snapshotId, soon())).toBeUndefined();
      expect(await port.remove(at, soon())).toBe(true);
    });

    it('cuts an image, and gives the cut to the trash once something stands on it', async () => {
      const { at, id, from, child } = await prepared(true);
      await port.cutById(at, id, 'for-a-copy', soon());
      await port.cutById(at, id, 'for-a-copy', soon());
      const made = await port.cloneImage(child, { ...from, snapshot: 'for-a-copy' }, shape(), soon());
      const { head, parent } = (await port.cloneById(child, made, soon()))!;
      expect(head).toEqual(await port.head(child, soon()));
      expect(head.isClone).toBe(true);
      expect((await port.head({ ...at, image: from.image }, soon()))?.isClone).toBe(false);
      expect(await port.cloneById(at, id, soon())).toBeUndefined();
      await port.trashSnapshot(at, id, parent.snapshotId, soon());
      await port.trashSnapshot(at, id, parent.snapshotId, soon());
      const kinds = async () => (await port.snapshotsById(at, id, soon()))?.snapshots.map(({ kind }) => kind);
      expect(await kinds()).toEqual(['user', 'trash']);
      expect(await port.parentById(child, made, soon())).toMatchObject({ ...parent, isLinked: true });
      expect(await port.remove(child, soon())).toBe(true);
      expect(await kinds()).toEqual(['user']);
      await refused(port.trashSnapshot(at, id, parent.snapshotId, soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.cutById(at, 'abcdef', 'cut', soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    const nobody = { key: 'holder', value: undefined };
    /** What comes of copying all, slice after slice. */
    const copyAll = async (at: ImageRef, id: string, known: KnownMetadata = nobody) => {
      for (let from = 0n; ; ) {
        const part = await port.parentExtents(at, id, from, soon());
        if (part === undefined || 'obstacle' in part) return part;
        for (let rest = part.extents; rest.length > 0; ) {
          const slice = await port.copyUp(at, id, rest, known, 10_000, soon());
          if (slice === undefined || 'obstacle' in slice) return slice;
          if (slice.next !== undefined) expect(slice.next).toBeGreaterThan(rest[0]!);
          rest = slice.next === undefined ? new BigUint64Array() : extentsFrom(rest, slice.next);
        }
        if (part.next === undefined) return { next: undefined };
        expect(part.next).toBeGreaterThan(from);
        from = part.next;
      }
    };

    it('gives a clone all data of its own, cuts its link, and lets its parent forget it, in this order', async () => {
      const { at, id, snapshotId, from, child } = await prepared(true);
      const made = await port.cloneImage(child, from, shape(), soon());
      const parent = (await port.parentById(child, made, soon()))!;
      expect(await copyAll(child, made)).toEqual({ next: undefined });
      expect(await port.parentById(child, made, soon())).toMatchObject({ imageId: id, isLinked: true });
      expect(await port.forgetClone(child, made, parent, soon())).toBe(false);
      expect(await port.cutLink(child, made, nobody, soon())).toBe('cut');
      expect(await port.parentById(child, made, soon())).toBeUndefined();
      const clones = async () => (await port.snapshotById(at, id, snapshotId, soon()))?.snapshot.cloneCount;
      expect(await clones()).toBe(1);
      for (let time = 0; time < 2; time += 1) {
        expect(await port.forgetClone(child, made, parent, soon())).toBe(true);
        expect(await clones()).toBe(0);
      }
      expect(await port.isUnwritten(child, soon())).toBe(false);
      expect(await copyAll(child, made)).toBeUndefined();
      expect(await port.cutLink(child, made, nobody, soon())).toBeUndefined();
      expect(await port.removeSnapshotById(at, id, snapshotId, soon())).toBe(true);
      expect(await port.remove(at, soon())).toBe(true);
    });

    it('leaves a clone its parent that is not as it is known, has snapshots or a journal, or is open', async () => {
      const { id, from, child } = await prepared(true);
      const made = await port.cloneImage(child, from, shape(), soon());
      await port.setMetadata(child, made, new Map([['holder', 'somebody']]), soon());
      expect(await copyAll(child, made)).toEqual({ obstacle: 'changed' });
      expect(await port.cutLink(child, made, nobody, soon())).toBe('changed');
      const known = { key: 'holder', value: 'somebody' };
      const watcher = await fixture.watch(child);
      try {
        expect(await copyAll(child, made, known)).toEqual({ obstacle: 'open' });
      } finally {
        await watcher.stop();
      }
      expect(await copyAll(child, made, known)).toEqual({ next: undefined });
      await port.createSnapshot(child, 'its-own', soon());
      expect(await copyAll(child, made, known)).toEqual({ obstacle: 'snapshots' });
      expect(await port.cutLink(child, made, known, soon())).toBe('snapshots');
      expect(await port.parentById(child, made, soon())).toMatchObject({ imageId: id, isLinked: true });
      const journaled = clone(`journaled-${used}`);
      const features = ['layering', 'exclusive-lock', 'journaling'];
      const other = await port.cloneImage(journaled, from, shape({ features }), soon());
      expect(await copyAll(journaled, other)).toEqual({ obstacle: 'unfit' });
      expect(await port.cutLink(journaled, other, nobody, soon())).toBe('unfit');
      for (const gone of [await copyAll(child, 'abcdef'), await port.cutLink(child, 'abcdef', nobody, soon())])
        expect(gone).toBeUndefined();
    });

    it('changes several entries at once, or none', async () => {
      const { at, id } = await prepared();
      const change = (differsFrom: string | undefined) =>
        port.changeMetadata(
          at,
          id,
          { unless: { key: 'a', differsFrom }, set: new Map([['a', '2']]), remove: ['b', 'absent'] },
          soon(),
        );
      const entries = async () => (await port.head(at, soon()))?.metadata;
      const before = new Map([
        ['a', '1'],
        ['b', '1'],
        ['c', '1'],
      ]);
      await port.setMetadata(at, id, before, soon());
      expect(await change(undefined)).toBe(false);
      expect(await entries()).toEqual(before);
      expect(await change('1')).toBe(true);
      expect(await entries()).toEqual(
        new Map([
          ['a', '2'],
          ['c', '1'],
        ]),
      );
      const gone = { unless: { key: 'a', differsFrom: undefined }, set: new Map([['a', '1']]), remove: [] };
      await refused(port.changeMetadata(at, 'abcdef', gone, soon()), 'BERTH_IMAGE_NOT_FOUND');
    });
  });
}
