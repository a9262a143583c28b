/** The decision about a node with very many volumes: calls have their turns meanwhile. */
import { expect, it } from 'vitest';
import { decide } from '../../../src/reconcile/decide-round.js';
import { entry, facts, kubelet, mapping, mount } from './node-facts-fixture.js';
import { mostATurn } from './most-a-turn.js';

const VOLUMES = 1_000;
const each = <T>(make: (index: number) => T): T[] => Array.from({ length: VOLUMES }, (_, index) => make(index));
const volume = (index: number): string => `dev/hyper/berth-${index}`;

it('decide, 1,000 volumes and 2,000 mounts: the event loop has its turn after a hundred of each kind', async () => {
  const entries = each((index) => entry({ volume: volume(index), stagingPath: `/stage/${index}` }));
  const mappings = each((index) =>
    mapping({ device: `/dev/rbd${index}`, image: `berth-${index}` }, { number: `252:${index}` }),
  );
  const mounts = each((index) =>
    [`/stage/${index}`, `/pods/${index}`].map((at) => mount(at, `252:${index}`, { source: `/dev/rbd${index}` })),
  ).flat();
  const volumes = each((index) => kubelet({ volume: volume(index), directory: `/pods/${index}` }));
  let looked = 0;
  const longest = await mostATurn(async (seen) => {
    // Asked of every entry, mapping and directory.
    const isRunning = (): boolean => {
      looked += 1;
      seen();
      return false;
    };
    await decide(facts({ entries, mappings, mounts, isRunning }, volumes));
  });
  expect(looked).toBeGreaterThanOrEqual(3 * VOLUMES);
  expect(longest).toBeLessThanOrEqual(200);
});
