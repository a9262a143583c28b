/**
 * What every RbdPort must do with an image that has a name and no header: run against the fake (unit) and against
 * librbd (integration).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refused, soon, spec, type PortFixture } from './port.contract.js';

export function describeInterruptedCreate(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name}, of an image whose create died between the name and the header,`, () => {
    let fixture: PortFixture;
    beforeAll(async () => {
      fixture = await prepare();
    });
    afterAll(() => fixture.close());

    it.each(['name', 'entry'] as const)(
      'tells its id and when it got its name, and frees that; of it there is its %s',
      async (left) => {
        const { port } = fixture;
        const at = { ...fixture.at, image: `half-${left}` };
        expect(await port.interruptedCreate(at, soon())).toBeUndefined();
        expect(await port.namedAt(at, soon())).toBeUndefined();
        const before = Math.floor(Date.now() / 1_000) * 1_000;
        const id = await port.createImage(at, spec(), soon());
        const after = Date.now();
        expect(await port.interruptedCreate(at, soon())).toBeUndefined();
        await fixture.halve({ ...at, id }, left);
        expect(await port.interruptedCreate(at, soon())).toBe(id);
        const named = await port.namedAt(at, soon());
        expect(named).toBeGreaterThanOrEqual(before);
        expect(named).toBeLessThanOrEqual(after);
        expect(await port.head(at, soon())).toBeUndefined();
        await refused(port.createImage(at, spec(), soon()), 'BERTH_IMAGE_EXISTS');
        expect(await port.dropDeadEntry(at, id, soon())).toBe(false);
        await port.remove(at, soon());
        expect(await port.interruptedCreate(at, soon())).toBeUndefined();
        await port.createImage(at, spec(), soon());
        expect(await port.remove(at, soon())).toBe(true);
      },
    );

    it('frees a name that the directory alone has, of this id and no other; a whole image keeps its own', async () => {
      const { port } = fixture;
      const at = { ...fixture.at, image: 'half-gone' };
      const id = await port.createImage(at, spec(), soon());
      expect(await port.dropDeadEntry(at, id, soon())).toBe(false);
      await fixture.halve({ ...at, id }, 'dead entry');
      expect(await port.head(at, soon())).toBeUndefined();
      expect(await port.namedAt(at, soon())).toBeUndefined();
      await refused(port.createImage(at, spec(), soon()), 'BERTH_IMAGE_EXISTS');
      expect(await port.interruptedCreate(at, soon())).toBe(id);
      expect(await port.dropDeadEntry(at, 'f00dcafe', soon())).toBe(false);
      expect(await port.dropDeadEntry(at, id, soon())).toBe(true);
      expect(await port.interruptedCreate(at, soon())).toBeUndefined();
      const next = await port.createImage(at, spec(), soon());
      expect(await port.dropDeadEntry(at, id, soon())).toBe(false);
      expect((await port.head(at, soon()))?.id).toBe(next);
      await port.remove(at, soon());
    });

    it('does not take an image that lost its header for one that never had any', async () => {
      const { port } = fixture;
      const at = { ...fixture.at, image: 'damaged' };
      const id = await port.createImage(at, spec(), soon());
      await fixture.halve({ ...at, id }, 'all but the header');
      expect(await port.head(at, soon())).toBeUndefined();
      expect(await port.interruptedCreate(at, soon())).toBeUndefined();
      await refused(port.createImage(at, spec(), soon()), 'BERTH_IMAGE_EXISTS');
    });
  });
}
