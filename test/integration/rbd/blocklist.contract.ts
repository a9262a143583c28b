/**
 * What every RbdPort must do for fencing: watchers, the blocklist and lists of records; run against the fake and
 * against librbd.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageRef, RbdPort } from '../../../src/rbd/port.js';
import { refused, soon, spec, type PortFixture } from './port.contract.js';

const DAY_S = 86_400;

export function describeBlocklist(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name} keeps the contract of RbdPort for fencing`, () => {
    let fixture: PortFixture;
    let port: RbdPort;
    let at: ImageRef;
    beforeAll(async () => {
      fixture = await prepare();
      port = fixture.port;
      at = { ...fixture.at, image: 'watched' };
      await port.createImage(at, spec(), soon());
    });
    afterAll(() => fixture.close());

    it('shows who watches an image, without watching it, and says that the monitors stood still', async () => {
      expect(await port.observeWatchers(at, soon())).toEqual({ watchers: [], settled: true });
      expect(await port.watchers(at, soon())).toEqual([]);
      const id = (await port.head(at, soon()))!.id;
      expect(await port.watchersById(at, id, soon())).toEqual([]);
      const other = await fixture.watch(at);
      const { watchers, settled } = await port.observeWatchers(at, soon());
      expect(watchers.map(({ address }) => address)).toEqual([other.address]);
      expect(settled).toBe(true);
      expect(await port.watchers(at, soon())).toEqual(watchers);
      expect(await port.watchersById(at, id, soon())).toEqual(watchers);
      await other.stop();
      const absent = { ...at, image: 'not-there' };
      await refused(port.watchers(absent, soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.watchersById(absent, '12ab', soon()), 'BERTH_IMAGE_NOT_FOUND');
      await refused(port.observeWatchers(absent, soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    it('shows who came and who went since an image was opened ahead, which nobody sees', async () => {
      const ahead = { ...at, image: 'ahead' };
      await refused(port.openAhead(ahead, soon()), 'BERTH_IMAGE_NOT_FOUND');
      await port.createImage(ahead, spec(), soon());
      await Promise.all([port.openAhead(ahead, soon()), port.openAhead(ahead, soon())]);
      expect(await port.watchers(ahead, soon())).toEqual([]);
      await port.openAhead(ahead, soon());
      const other = await fixture.watch(ahead);
      const [isEmpty, , again] = await Promise.all([
        port.isEmpty(ahead, soon()),
        port.watchers(ahead, soon()),
        port.isEmpty(ahead, soon()),
      ]);
      expect([isEmpty, again]).toEqual([true, true]);
      await port.openAhead(ahead, soon());
      expect((await port.watchers(ahead, soon())).map(({ address }) => address)).toEqual([other.address]);
      await port.openAhead(ahead, soon());
      await other.stop();
      expect(await port.watchers(ahead, soon())).toEqual([]);
      await port.openAhead(ahead, soon());
      await fixture.write(ahead);
      expect(await Promise.all([port.watchers(ahead, soon()), port.isEmpty(ahead, soon())])).toEqual([[], false]);
      await port.openAhead(ahead, soon());
      // Another image has the name by now.
      await port.rename(ahead, (await port.head(ahead, soon()))!.id, 'gone-ahead', soon());
      await port.createImage(ahead, spec(), soon());
      expect(await port.isEmpty(ahead, soon())).toBe(true);
      // Nobody asks any more: that it is open keeps nobody from removing it.
      await port.openAhead(ahead, soon());
      expect(await port.remove(ahead, soon())).toBe(true);
      await refused(port.watchers(ahead, soon()), 'BERTH_IMAGE_NOT_FOUND');
    });

    it('lists an instance for so long, whatever comes twice, and takes it off again, also twice', async () => {
      const { access } = at;
      const find = async () =>
        (await port.blocklisted(access, soon())).find((one) => one.instance === '192.0.2.7:0/77');
      expect(await find()).toBeUndefined();
      await port.blocklist(access, '192.0.2.7:0/77', 3_600, soon());
      const first = (await find())!.until;
      expect(Math.abs(first - Date.now() - 3_600_000)).toBeLessThan(60_000);
      await port.blocklist(access, '192.0.2.7:0/77', DAY_S, soon());
      expect((await find())!.until).toBe(first);
      await port.unblocklist(access, '192.0.2.7:0/77', soon());
      await port.unblocklist(access, '192.0.2.7:0/77', soon());
      expect(await find()).toBeUndefined();
    });

    it('throws a blocklisted instance off the image at once, and nobody else of its address', async () => {
      const one = await fixture.watch(at);
      await port.blocklist(at.access, one.address, 3_600, soon());
      expect(await port.watchers(at, soon())).toEqual([]);
      await port.unblocklist(at.access, one.address, soon());
      await one.stop();
      const two = await fixture.watch(at);
      expect(two.address).not.toBe(one.address);
      expect((await port.watchers(at, soon())).map(({ address }) => address)).toEqual([two.address]);
      await two.stop();
    });

    it('says that the controller may do both', async () => {
      expect(await port.blocklistRightsMissing(at.access, soon())).toEqual([]);
    });

    it('says what the cluster asks of its clients: nothing that is newer than they are', async () => {
      const { leastRelease, movedPrimaries, v2Only } = await port.clientDemands(at.access, soon());
      expect(leastRelease).toMatch(/^(jewel|luminous)$/);
      expect({ movedPrimaries, v2Only }).toEqual({ movedPrimaries: [], v2Only: false });
    });

    it('says how the cluster is', async () => {
      const { status, checks } = await port.health(at.access, soon());
      expect(status).toMatch(/^HEALTH_(OK|WARN)$/);
      for (const { code, says } of checks) {
        expect(code).toMatch(/^[A-Z_]+$/);
        expect(says).not.toBe('');
      }
    });

    it('changes a record only while it is as it was, and one that is not there as well', async () => {
      const swap = (expected: string | undefined, next: string | undefined, key = 'one') =>
        port.compareAndSetRecord(fixture.at, 'swapped', key, expected, next, soon());
      const now = async () => [...(await port.listRecords(fixture.at, 'swapped', '', 9, soon()))];
      expect(await swap('never', 'x')).toBe(false);
      expect(await swap(undefined, '1')).toBe(true);
      expect(await swap(undefined, '2')).toBe(false);
      expect(await swap('0', '2')).toBe(false);
      expect(await now()).toEqual([['one', '1']]);
      expect(await swap(undefined, 'other', 'two')).toBe(true);
      expect(await swap('1', '2')).toBe(true);
      expect(await swap('1', undefined)).toBe(false);
      expect(await swap('other', undefined, 'two')).toBe(true);
      expect(await now()).toEqual([['one', '2']]);
      const racers = await Promise.all(['a', 'b', 'c', 'd'].map((next) => swap('2', next)));
      expect(racers.filter((won) => won)).toHaveLength(1);
    });

    it('lists records by key, page by page, and removes them, also twice', async () => {
      const keys = ['a', 'b', 'c', 'd'];
      await port.setRecords(fixture.at, 'fences', new Map(keys.map((key) => [key, `of ${key}`])), soon());
      expect([...(await port.listRecords(fixture.at, 'fences', '', 3, soon()))]).toEqual([
        ['a', 'of a'],
        ['b', 'of b'],
        ['c', 'of c'],
      ]);
      expect([...(await port.listRecords(fixture.at, 'fences', 'c', 3, soon())).keys()]).toEqual(['d']);
      await port.removeRecords(fixture.at, 'fences', ['b', 'c'], soon());
      await port.removeRecords(fixture.at, 'fences', ['b', 'c'], soon());
      expect([...(await port.listRecords(fixture.at, 'fences', '', 9, soon())).keys()]).toEqual(['a', 'd']);
      expect(await port.listRecords(fixture.at, 'not-there', '', 9, soon())).toEqual(new Map());
      await port.removeRecords(fixture.at, 'not-there', ['a'], soon());
    });
  });
}
