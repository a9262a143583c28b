/** What every RbdPort must say of what a snapshot has and of what changed; run against the fake and against librbd. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RbdPort } from '../../../src/rbd/port.js';
import { MIB, refused, soon, spec, type PortFixture } from './port.contract.js';

export function describeDiffs(name: string, prepare: () => Promise<PortFixture>): void {
  describe(`${name} keeps the contract of RbdPort for diffs`, () => {
    let fixture: PortFixture;
    let port: RbdPort;
    beforeAll(async () => {
      fixture = await prepare();
      port = fixture.port;
    });
    afterAll(() => fixture.close());

    /** An image with a snapshot before its first write, and one after. */
    const cutTwice = async (image: string, features = spec().features) => {
      const at = { ...fixture.at, image };
      const imageId = await port.createImage(at, spec({ sizeBytes: 9n * MIB, features }), soon());
      const base = await port.createSnapshot(at, 'base', soon());
      await fixture.write(at);
      const target = await port.createSnapshot(at, 'target', soon());
      return { imageId, base, target };
    };
    const extents = async (span: Parameters<RbdPort['readExtents']>[1], from = 0n): Promise<readonly bigint[]> => {
      const batch = (await port.readExtents(fixture.at, span, from, 10, soon()))!;
      expect(batch.next).toBeUndefined();
      return [...batch.extents];
    };

    it('names the objects that there are, and those that changed', async () => {
      const span = await cutTwice('diffed');
      expect(await extents(span)).toEqual([0n, 4n * MIB]);
      expect(await extents({ ...span, base: undefined })).toEqual([0n, 4n * MIB]);
      expect(await extents({ ...span, base: undefined, target: span.base })).toEqual([]);
      expect(await extents(span, 4n * MIB)).toEqual([]);
      expect(await extents(span, 9n * MIB)).toEqual([]);
    });

    it('says the sizes of both ends, and whether changes are tracked', async () => {
      const span = await cutTwice('tracked', ['layering', 'exclusive-lock', 'object-map', 'fast-diff']);
      const end = { sizeBytes: 9n * MIB, parentBytes: 0n };
      const facts = { target: end, base: end, leastBytes: 9n * MIB, isTracked: true, tellsParents: true };
      expect(await port.spanFacts(fixture.at, span, soon())).toEqual(facts);
      expect(await port.spanFacts(fixture.at, { ...span, base: undefined }, soon())).toEqual({
        ...facts,
        base: undefined,
      });
      const untracked = await cutTwice('untracked', ['layering']);
      expect(await port.spanFacts(fixture.at, untracked, soon())).toEqual({ ...facts, isTracked: false });
    });

    it('knows nothing of what is not there, and tells a pool that is not', async () => {
      const span = await cutTwice('lacking');
      const none = 4_000_000_000n;
      for (const lacking of [
        { ...span, imageId: 'abcdef' },
        { ...span, target: none },
        { ...span, base: none - 1n, target: span.target },
      ]) {
        expect(await port.spanFacts(fixture.at, lacking, soon())).toBeUndefined();
        expect(await port.readExtents(fixture.at, lacking, 0n, 10, soon())).toBeUndefined();
      }
      const nowhere = { ...fixture.at, pool: 'no-such-pool' };
      await refused(port.spanFacts(nowhere, span, soon()), 'BERTH_POOL_NOT_FOUND');
      await refused(port.readExtents(nowhere, span, 0n, 10, soon()), 'BERTH_POOL_NOT_FOUND');
    });
  });
}
