/**
 * What every RbdPort must do with an image's first bytes and with snapshots of it; run against the fake and against
 * librbd.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RbdPort } from '../../../src/rbd/port.js';
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
  });
}
