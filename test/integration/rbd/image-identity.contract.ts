/** What every RbdPort must know of which image it is: run against the fake (unit) and against librbd (integration). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NEW_IMAGE } from '../../../src/rbd/new-image.js';
import { soon, spec, type PortFixture } from './port.contract.js';

export function describeImageIdentity(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name}, of which image it is,`, () => {
    let fixture: PortFixture;
    beforeAll(async () => {
      fixture = await prepare();
    });
    afterAll(() => fixture.close());

    it('finds an image by its id, and none by an id that is gone', async () => {
      const { port } = fixture;
      const at = { ...fixture.at, image: 'by-id' };
      const id = await port.createImage(at, spec({ metadata: new Map([['k', 'v']]) }), soon());
      expect(await port.headById(fixture.at, id, soon())).toEqual(await port.head(at, soon()));
      await port.remove(at, soon());
      expect(await port.headById(fixture.at, id, soon())).toBeUndefined();
    });

    it('writes into the first metadata which image they are of', async () => {
      const { port } = fixture;
      const at = { ...fixture.at, image: 'named' };
      const text = JSON.stringify({ a: NEW_IMAGE.id, b: NEW_IMAGE.fsid });
      await port.createImage(at, spec({ metadata: new Map([['own', text]]) }), soon());
      const { id, fsid, metadata } = (await port.head(at, soon()))!;
      expect(fsid).toBe((await port.identify(at.access, soon())).fsid);
      expect(JSON.parse(metadata.get('own')!)).toEqual({ a: id, b: fsid });
      await port.remove(at, soon());
    });
  });
}
