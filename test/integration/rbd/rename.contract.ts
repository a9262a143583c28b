/**
 * What every RbdPort must do for images that are deleted: another name without an open, who uses them, and an end in
 * steps; run against the fake and against librbd.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageRef, RbdPort } from '../../../src/rbd/port.js';
import { MIB, refused, soon, spec, type PortFixture } from './port.contract.js';

export function describeRename(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name} keeps the contract of RbdPort for images that are deleted`, () => {
    let fixture: PortFixture;
    let port: RbdPort;
    let used = 0;
    beforeAll(async () => {
      fixture = await prepare();
      port = fixture.port;
    });
    afterAll(() => fixture.close());

    const image = (name: string): ImageRef => ({ ...fixture.at, image: name });
    const names = async (): Promise<readonly string[]> =>
      (await port.list(fixture.at, '', 100, soon())).map((one) => one.name);

    interface Pair {
      readonly old: ImageRef;
      readonly aside: ImageRef;
      readonly id: string;
    }

    async function made(): Promise<Pair> {
      const old = image(`old-${++used}`);
      const id = await port.createImage(old, spec({ metadata: new Map([['k', 'v']]) }), soon());
      return { old, id, aside: image(`aside-${id}`) };
    }

    async function isAside({ old, aside, id }: Pair): Promise<void> {
      expect(await port.head(old, soon())).toBeUndefined();
      expect(await port.head(aside, soon())).toMatchObject({ id, metadata: new Map([['k', 'v']]) });
      expect(await port.interruptedCreate(old, soon())).toBeUndefined();
      expect(await names()).toContain(aside.image);
      expect(await names()).not.toContain(old.image);
    }

    it('renames an image, and once more is a success', async () => {
      const pair = await made();
      const { old, aside, id } = pair;
      expect(await port.rename(old, id, aside.image, soon())).toBe(true);
      await isAside(pair);
      expect(await port.rename(old, id, aside.image, soon())).toBe(true);
      await isAside(pair);
      expect((await port.inspect(aside, soon())).id).toBe(id);
      expect(await port.remove(aside, soon())).toBe(true);
    });

    it('goes on with a rename that was cut short after its first and after its second step', async () => {
      const first = await made();
      await fixture.copyName(first.old, first.aside.image);
      expect(await port.rename(first.old, first.id, first.aside.image, soon())).toBe(true);
      await isAside(first);
      const second = await made();
      await port.rename(second.old, second.id, second.aside.image, soon());
      await fixture.copyName(second.aside, second.old.image);
      expect(await port.rename(second.old, second.id, second.aside.image, soon())).toBe(true);
      await isAside(second);
    });

    it('leaves an image alone that has taken the name meanwhile', async () => {
      const { old, aside, id } = await made();
      await port.rename(old, id, aside.image, soon());
      const other = await port.createImage(old, spec(), soon());
      expect(await port.rename(old, id, aside.image, soon())).toBe(true);
      expect(await port.head(old, soon())).toMatchObject({ id: other });
      expect(await port.head(aside, soon())).toMatchObject({ id });
      await refused(port.rename(aside, id, old.image, soon()), 'BERTH_IMAGE_EXISTS');
      expect(await port.head(old, soon())).toMatchObject({ id: other });
      expect(await port.head(aside, soon())).toMatchObject({ id });
    });

    it('says where an image is gone, or has a third name, and leaves nothing of the new one', async () => {
      const { old, aside, id } = await made();
      await port.rename(old, id, 'third', soon());
      expect(await port.rename(old, id, aside.image, soon())).toBe(false);
      expect(await port.interruptedCreate(aside, soon())).toBeUndefined();
      expect(await port.head(image('third'), soon())).toMatchObject({ id });
      await port.remove(image('third'), soon());
      expect(await port.rename(old, id, aside.image, soon())).toBe(false);
      expect(await port.interruptedCreate(aside, soon())).toBeUndefined();
    });

    it('lets exactly one of many renames to one name have it', async () => {
      const pairs = [await made(), await made(), await made()];
      const ends = await Promise.allSettled(pairs.map(({ old, id }) => port.rename(old, id, 'coveted', soon())));
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const heads = await Promise.all(pairs.map(({ old }) => port.head(old, soon())));
      expect(heads.filter((one) => one !== undefined)).toHaveLength(2);
      expect(pairs.map(({ id }) => id)).toContain((await port.head(image('coveted'), soon()))!.id);
    });

    it('tells who uses an image by its id: nobody, a watcher, snapshots', async () => {
      const { old, id } = await made();
      expect(await port.usersOf(old, id, soon())).toEqual({ watchers: [], snapshots: 0, parentId: undefined });
      await fixture.snapshot(old, 's');
      const watcher = await fixture.watch(old);
      try {
        const users = await port.usersOf(old, id, soon());
        expect(users.watchers.map(({ address }) => address)).toEqual([watcher.address]);
        expect(users.snapshots).toBe(1);
      } finally {
        await watcher.stop();
      }
      await fixture.removeSnapshot(old, 's');
      expect(await port.usersOf(old, id, soon())).toMatchObject({ watchers: [], snapshots: 0 });
      await refused(port.usersOf(image('nothing'), 'ab12', soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    it('cuts an image to any size, step by step, and removes what is left', async () => {
      const { old } = await made();
      await fixture.write(old);
      for (const size of [32n, 4n, 0n]) {
        await port.cutTo(old, size * MIB, soon());
        expect((await port.head(old, soon()))?.sizeBytes).toBe(size * MIB);
      }
      expect(await port.remove(old, soon())).toBe(true);
      await refused(port.cutTo(old, 0n, soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    it('knows of no interrupted removal where none was', async () => {
      expect(await port.interruptedRemovals(fixture.at, soon())).toEqual([]);
    });
  });
}
