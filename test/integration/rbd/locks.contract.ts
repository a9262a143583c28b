/**
 * What every RbdPort must say of the advisory locks that people and other drivers lay on images; run against the fake
 * and against librbd.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RbdPort } from '../../../src/rbd/port.js';
import { MIB, refused, soon, spec, type PortFixture } from './port.contract.js';

export function describeLocks(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name} keeps the contract of RbdPort for advisory locks`, () => {
    let fixture: PortFixture;
    let port: RbdPort;
    beforeAll(async () => {
      fixture = await prepare();
      port = fixture.port;
    });
    afterAll(() => fixture.close());

    it.each([
      ['with exclusive-lock', spec().features],
      ['without it', ['layering']],
    ])('names lock and owner of an image %s, and none once it is broken', async (what, features) => {
      const at = { ...fixture.at, image: `locked-${what.replaceAll(' ', '-')}` };
      await port.createImage(at, spec({ features }), soon());
      const locksOf = async () => (await port.head(at, soon()))?.locks;
      expect(await locksOf()).toEqual([]);
      const id = "kubelet_lock_magic_node-1 it's \u{1F6A2}";
      const unlock = await fixture.lock(at, id);
      const locks = await locksOf();
      const [found, ...more] = locks ?? [];
      expect([found?.id, more]).toEqual([id, []]);
      expect(found?.locker).toMatch(/^client\.\d+$/);
      expect(found?.address).toMatch(/^[\d.]+:\d+\/\d+$/);
      expect((await port.inspect(at, soon())).locks).toEqual(locks);
      await unlock();
      expect(await locksOf()).toEqual([]);
    });

    it('does not grow an image that somebody has locked, and says by which lock', async () => {
      const at = { ...fixture.at, image: 'locked-to-grow' };
      await port.createImage(at, spec({ sizeBytes: MIB }), soon());
      const unlock = await fixture.lock(at, 'mine');
      const said = await refused(port.resize(at, 2n * MIB, soon()), 'BERTH_IMAGE_LOCKED');
      expect(said).toMatch(/carries the advisory lock "mine" of client\.\d+ at .*rbd lock rm .*'mine' client\.\d+/);
      await unlock();
      await port.resize(at, 2n * MIB, soon());
    });
  });
}
