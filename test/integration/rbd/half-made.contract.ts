/** What every RbdPort must do with an image that has a name and no header: run against the fake (unit) and against librbd (integration). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refused, soon, spec, type Ground } from './port.contract.js';

export function describeHalfMade(name: string, prepare: () => Promise<Ground>): void {
  describe(`${name}, of an image whose create died between the name and the header,`, () => {
    let ground: Ground;
    beforeAll(async () => {
      ground = await prepare();
    });
    afterAll(() => ground.close());

    it.each([true, false])('tells the id, and frees the name; listed in the directory: %s', async (listed) => {
      const { port } = ground;
      const at = { ...ground.at, image: `half-${listed}` };
      expect(await port.halfMade(at, soon())).toBeUndefined();
      const id = await port.createImage(at, spec(), soon());
      expect(await port.halfMade(at, soon())).toBeUndefined();
      await ground.halve({ ...at, id }, listed);
      expect(await port.halfMade(at, soon())).toBe(id);
      expect(await port.head(at, soon())).toBeUndefined();
      await refused(port.createImage(at, spec(), soon()), 'IMAGE_EXISTS');
      await port.remove(at, soon());
      expect(await port.halfMade(at, soon())).toBeUndefined();
      await port.createImage(at, spec(), soon());
      expect(await port.remove(at, soon())).toBe(true);
    });
  });
}
