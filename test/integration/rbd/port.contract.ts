/** What every RbdPort must do: run against the fake (unit) and against librbd on a real cluster (integration). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { isBerthError } from '../../../src/model/errors.js';
import type { ErrorCode } from '../../../src/model/errors.js';
import type { ImageRef, NewImage, PoolRef, RbdPort } from '../../../src/rbd/port.js';

export type Half = 'name' | 'entry' | 'dead entry' | 'all but the header';

/** A port, a place of its own to work in, and the hand of somebody else there. */
export interface PortFixture {
  readonly port: RbdPort;
  readonly at: PoolRef;
  write(at: ImageRef): Promise<void>;
  snapshot(at: ImageRef, name: string): Promise<void>;
  removeSnapshot(at: ImageRef, name: string): Promise<void>;
  /** Lay an advisory lock of this name on the image; the answer breaks it. */
  lock(at: ImageRef, id: string): Promise<() => Promise<void>>;
  /** Leave of the image its name alone, that and its directory entry, or all but its header. */
  halve(at: ImageRef & { readonly id: string }, left: Half): Promise<void>;
  /** The object that says which image has this name, once more under another name: a rename's halves. */
  copyName(at: ImageRef, to: string): Promise<void>;
  /** Watch the image until `stop`; `address` as `rbd status` shows it. */
  watch(at: ImageRef): Promise<{ readonly address: string; stop(): Promise<void> }>;
  close(): Promise<void>;
}

export const MIB = 1024n * 1024n;
export const spec = (change: Partial<NewImage> = {}): NewImage => ({
  sizeBytes: 64n * MIB,
  features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
  objectSizeBytes: undefined,
  stripeUnitBytes: undefined,
  stripeCount: undefined,
  dataPool: undefined,
  metadata: new Map(),
  ...change,
});
export const soon = (ms = 60_000): Deadline => Deadline.after(ms);

/** Expect this error of the catalogue; its message. */
export async function refused(call: Promise<unknown>, code: ErrorCode): Promise<string> {
  const error: unknown = await call.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!isBerthError(error, code)) throw new Error(`expected ${code}`, { cause: error });
  return error.message;
}

export function describeRbdPort(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name} keeps the contract of RbdPort`, () => {
    let fixture: PortFixture;
    let port: RbdPort;
    let used = 0;
    beforeAll(async () => {
      fixture = await prepare();
      port = fixture.port;
    });
    afterAll(() => fixture.close());
    const image = (name = `image-${++used}`): ImageRef => ({ ...fixture.at, image: name });
    const made = async (change: Partial<NewImage> = {}): Promise<ImageRef & { id: string }> => {
      const at = image();
      return { ...at, id: await port.createImage(at, spec(change), soon()) };
    };

    it('says who the cluster is and which client instance we are', async () => {
      const identity = await port.identify(fixture.at.access, soon());
      expect(identity.fsid).toMatch(/^[0-9a-f-]{36}$/);
      expect(identity.instance).toMatch(/^.+:\d+\/\d+$/);
      expect(await port.identify(fixture.at.access, soon())).toEqual(identity);
    });

    it('creates an image that looks as it was asked for', async () => {
      const at = await made({ sizeBytes: 3n * MIB, features: ['layering'], objectSizeBytes: 1_048_576 });
      expect(await port.head(at, soon())).toEqual({
        id: at.id,
        fsid: (await port.identify(at.access, soon())).fsid,
        sizeBytes: 3n * MIB,
        objectSizeBytes: 1_048_576,
        features: ['layering'],
        metadata: new Map(),
        isClone: false,
        locks: [],
      });
    });

    it('inspects an image nobody uses', async () => {
      const at = await made();
      const head = await port.head(at, soon());
      const alone = { parent: undefined, snapshots: [], clones: [], watchers: [], dataPool: undefined };
      expect(await port.inspect(at, soon())).toEqual({
        ...head,
        ...alone,
        stripeUnitBytes: head?.objectSizeBytes,
        stripeCount: 1,
      });
    });

    it('refuses a name that is taken and leaves that image alone', async () => {
      const at = await made({ sizeBytes: MIB });
      await refused(port.createImage(at, spec(), soon()), 'BERTH_IMAGE_EXISTS');
      expect((await port.head(at, soon()))?.sizeBytes).toBe(MIB);
    });

    it('lets exactly one of many simultaneous creators have the name', async () => {
      const at = image();
      const all = await Promise.allSettled(Array.from({ length: 8 }, () => port.createImage(at, spec(), soon())));
      expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const one of all)
        if (one.status === 'rejected') expect(isBerthError(one.reason, 'BERTH_IMAGE_EXISTS')).toBe(true);
    });

    it('tells what is missing: image, namespace, pool, data pool', async () => {
      const nowhere = image('never-made');
      expect(await port.head(nowhere, soon())).toBeUndefined();
      expect(await port.remove(nowhere, soon())).toBe(false);
      await refused(port.inspect(nowhere, soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.isEmpty(nowhere, soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.resize(nowhere, MIB, soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.setMetadata(fixture.at, 'abcdef', new Map([['a', 'b']]), soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.compareAndSet(fixture.at, 'abcdef', 'a', undefined, 'b', soon()), 'BERTH_IMAGE_NOT_FOUND');

      const noNamespace = { ...nowhere, namespace: 'no-such-namespace' };
      expect(await port.head(noNamespace, soon())).toBeUndefined();
      await refused(port.createImage(noNamespace, spec(), soon()), 'BERTH_NAMESPACE_NOT_FOUND');
      await refused(port.list(noNamespace, '', 10, soon()), 'BERTH_NAMESPACE_NOT_FOUND');

      const noPool = { ...nowhere, pool: 'no-such-pool' };
      await refused(port.createImage(noPool, spec(), soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.head(noPool, soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.remove(noPool, soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.list(noPool, '', 10, soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.poolStats(noPool, soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.setRecords(noPool, 'o', new Map([['a', 'b']]), soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.createImage(nowhere, spec({ dataPool: 'no-such-pool' }), soon()), 'BERTH_POOL_NOT_FOUND');
      expect(await port.head(nowhere, soon())).toBeUndefined();
    });

    it('refuses a feature that no Ceph has', async () => {
      expect(
        await refused(port.createImage(image(), spec({ features: ['layring'] }), soon()), 'BERTH_FIELD_INVALID'),
      ).toMatch('layring');
    });

    it('keeps metadata as it is given: any Unicode, line breaks, nothing at all', async () => {
      const at = await made();
      const entries = new Map([
        ['berth/ünïcode', '日本語 \u{1F6A2}'],
        ['.hidden', 'a\nb\tc"\\'],
        ['nothing', ''],
        ['json', JSON.stringify({ pvc: 'a/b', n: 1 })],
      ]);
      await port.setMetadata(at, at.id, entries, soon());
      expect(new Map((await port.head(at, soon()))?.metadata)).toEqual(entries);
      await port.setMetadata(at, at.id, new Map([['.hidden', 'changed']]), soon());
      await port.setMetadata(at, at.id, new Map(), soon());
      expect((await port.head(at, soon()))?.metadata).toEqual(new Map([...entries, ['.hidden', 'changed']]));
    });

    it('shows all of a hundred metadata entries', async () => {
      const at = await made();
      const entries = new Map(Array.from({ length: 100 }, (_, n) => [`key-${n}`, `value-${n}`.repeat(20)]));
      await port.setMetadata(at, at.id, entries, soon());
      expect((await port.head(at, soon()))?.metadata).toEqual(entries);
      expect((await port.inspect(at, soon())).metadata).toEqual(entries);
    });

    it('changes a metadata entry only from what it is expected to be', async () => {
      const at = await made();
      const exchange = (expected?: string, next?: string) =>
        port.compareAndSet(at, at.id, 'holder', expected, next, soon());
      const holder = async () => (await port.head(at, soon()))?.metadata.get('holder');
      expect(await exchange('somebody', 'a')).toBe(false);
      expect(await holder()).toBeUndefined();
      expect(await exchange(undefined, 'nöde-a')).toBe(true);
      expect(await exchange(undefined, 'b')).toBe(false);
      expect(await exchange('b', 'c')).toBe(false);
      expect(await holder()).toBe('nöde-a');
      expect(await exchange('nöde-a', 'b')).toBe(true);
      expect(await holder()).toBe('b');
      expect(await exchange('a', undefined)).toBe(false);
      expect(await exchange('b', undefined)).toBe(true);
      expect(await holder()).toBeUndefined();
      expect(await exchange(undefined, undefined)).toBe(true);
    });

    it('takes an empty metadata entry for an absent one when it compares', async () => {
      const at = await made();
      await port.setMetadata(at, at.id, new Map([['holder', '']]), soon());
      expect(await port.compareAndSet(at, at.id, 'holder', undefined, 'a', soon())).toBe(true);
      expect(await port.compareAndSet(at, at.id, 'holder', 'a', '', soon())).toBe(true);
      expect((await port.head(at, soon()))?.metadata.has('holder')).toBe(false);
    });

    it('lets one of fifty racing writers win', async () => {
      const at = await made();
      const won = await Promise.all(
        Array.from({ length: 50 }, (_, n) => port.compareAndSet(at, at.id, 'holder', undefined, `node-${n}`, soon())),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await port.head(at, soon()))?.metadata.get('holder')).toBe(`node-${won.indexOf(true)}`);
    });

    it.each([
      ['with an object map', spec().features],
      ['without one', ['layering']],
    ])('knows an empty image from one that was written to, %s', async (_, features) => {
      const at = await made({ features });
      expect(await port.isEmpty(at, soon())).toBe(true);
      await fixture.write(at);
      expect(await port.isEmpty(at, soon())).toBe(false);
    });

    it('answers several questions about one image at once, each as it is now', async () => {
      const at = await made();
      const ask = () => Promise.all([port.isEmpty(at, soon()), port.watchers(at, soon()), port.isEmpty(at, soon())]);
      expect(await ask()).toEqual([true, [], true]);
      await fixture.write(at);
      const watcher = await fixture.watch(at);
      try {
        const now = [expect.objectContaining({ address: watcher.address })];
        expect(await ask()).toEqual([false, now, false]);
      } finally {
        await watcher.stop();
      }
    });

    it('grows an image and refuses to shrink it', async () => {
      const at = await made({ sizeBytes: 8n * MIB });
      await port.resize(at, 20n * MIB, soon());
      await port.resize(at, 20n * MIB, soon());
      await refused(port.resize(at, 12n * MIB, soon()), 'BERTH_CEPH_ERROR');
      expect((await port.head(at, soon()))?.sizeBytes).toBe(20n * MIB);
      expect(await port.isEmpty(at, soon())).toBe(true);
    });

    it('removes an image once', async () => {
      const at = await made();
      expect(await port.remove(at, soon())).toBe(true);
      expect(await port.head(at, soon())).toBeUndefined();
      expect(await port.remove(at, soon())).toBe(false);
    });

    it('names the watcher of an image that it will not remove', async () => {
      const at = await made();
      const watcher = await fixture.watch(at);
      try {
        expect(await refused(port.remove(at, soon()), 'BERTH_IMAGE_BUSY')).toContain(watcher.address);
        expect((await port.inspect(at, soon())).watchers.map(({ address }) => address)).toEqual([watcher.address]);
      } finally {
        await watcher.stop();
      }
      expect(await port.remove(at, soon())).toBe(true);
    });

    it('names the snapshots of an image that it will not remove, and calls it empty while they are', async () => {
      const at = await made();
      await fixture.snapshot(at, 'before-lunch');
      try {
        expect(await refused(port.remove(at, soon()), 'BERTH_IMAGE_BUSY')).toContain('before-lunch');
        expect((await port.inspect(at, soon())).snapshots).toEqual(['before-lunch']);
        expect(await port.isEmpty(at, soon())).toBe(true);
      } finally {
        await fixture.removeSnapshot(at, 'before-lunch');
      }
      expect(await port.remove(at, soon())).toBe(true);
    });

    it('lists images page by page in a stable order', async () => {
      const names = ['list-b', 'list-a', 'list-é', 'list-B', 'list-10', 'list-9'];
      const ids = new Map<string, string>();
      for (const name of names) ids.set(name, await port.createImage(image(name), spec({ sizeBytes: MIB }), soon()));
      const seen: string[] = [];
      for (let after = 'list-'; ; ) {
        const page = await port.list(fixture.at, after, 2, soon());
        const ours = page.filter(({ name }) => name.startsWith('list-'));
        for (const { name, id } of ours) expect(id).toBe(ids.get(name));
        seen.push(...ours.map(({ name }) => name));
        // One that comes behind the page just read does not disturb the next.
        if (seen.length === 2) await port.createImage(image('list-0'), spec({ sizeBytes: MIB }), soon());
        const last = page.at(-1);
        if (last === undefined || ours.length < page.length) break;
        after = last.name;
      }
      expect(seen).toEqual(['list-10', 'list-9', 'list-B', 'list-a', 'list-b', 'list-é']);
    });

    it('creates 64 images at a time', async () => {
      const at = Array.from({ length: 64 }, () => image());
      const ids = await Promise.all(at.map((one) => port.createImage(one, spec(), soon(90_000))));
      expect(new Set(ids).size).toBe(64);
      const listed = new Map((await port.list(fixture.at, '', 10_000, soon())).map(({ name, id }) => [name, id]));
      for (const [n, one] of at.entries()) expect(listed.get(one.image)).toBe(ids[n]);
    });

    it('keeps records in a plain object', async () => {
      const read = (...keys: string[]) => port.getRecords(fixture.at, 'berth.test', keys, soon());
      expect(await read('a')).toEqual(new Map());
      await port.setRecords(
        fixture.at,
        'berth.test',
        new Map([
          ['a', '1'],
          ['knöten', '{"ü":"\u{1F6A2}"}'],
          ['e', ''],
        ]),
        soon(),
      );
      await port.setRecords(fixture.at, 'berth.test', new Map([['a', '2']]), soon());
      expect(await read('a', 'knöten', 'e', 'absent')).toEqual(
        new Map([
          ['a', '2'],
          ['knöten', '{"ü":"\u{1F6A2}"}'],
          ['e', ''],
        ]),
      );
      expect(await read()).toEqual(new Map());
    });

    it('measures the pool', async () => {
      const { availableBytes, storedBytes } = await port.poolStats(fixture.at, soon());
      expect(availableBytes ?? 1n).toBeGreaterThan(0n);
      expect(storedBytes).toBeGreaterThanOrEqual(0n);
    });

    it('does not begin what is due already', async () => {
      const at = image();
      await refused(port.createImage(at, spec(), soon(0)), 'BERTH_DEADLINE');
      expect(await port.head(at, soon())).toBeUndefined();
    });

    // The last one: nothing works afterwards.
    it('refuses calls once it is closed', async () => {
      await port.close();
      await refused(port.head(image(), soon()), 'BERTH_SHUTTING_DOWN');
      await port.close();
    });
  });
}
