/**
 * Snapshots of several images at one moment, on the real cluster, while somebody writes to two without pause: N to A,
 * then N to B. Never is B ahead of A, and the writer waits, but never fails.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { accessAs, admin, scratchDirectory } from '../ceph.js';
import { cleanUpAfterwards, image, location, node, request, soon, at } from './loop-nodes.js';
import { startLibrbd } from './librbd.js';
import { numberIn, writeInTurn } from './write-in-turn.js';

const CUTS = Number(process.env['BERTH_GROUP_CUTS'] ?? 2);

const port = startLibrbd();
cleanUpAfterwards();
afterAll(() => port.close());

it(`cuts images ${CUTS} times while a writer writes to one and then to another: never is the other ahead`, {
  timeout: 60_000 + CUTS * 15_000,
}, async () => {
  const { mapper } = await node('together');
  const directory = await scratchDirectory('cuts');
  // Two that nobody writes to stand between: cut one after the other, the last would come much later than the first.
  const names = [await image(4), await image(4), await image(4), await image(4)];
  const [one, other] = [names[0]!, names[3]!];
  const { pool, namespace } = location(one);
  const access = accessAs('controller');
  const images = await Promise.all(
    names.map(async (name) => {
      const head = await port.head({ access, pool, namespace, image: name }, soon());
      return { pool, namespace, imageId: head!.id };
    }),
  );
  const mappings = [await mapper.map(request(one), soon()), await mapper.map(request(other), soon())];
  const writer = await writeInTurn(...mappings.map(({ device }) => device));
  const counterAt = async (name: string, snapshot: string): Promise<number> => {
    const file = path.join(directory, `${name}-${snapshot}`);
    await admin().rbd(['export', '--no-progress', ...at(name), '--snap', snapshot, file], soon());
    return numberIn(await readFile(file));
  };
  try {
    for (let cut = 0; cut < CUTS; cut += 1) {
      const before = writer.written();
      await expect.poll(writer.written, { timeout: 60_000 }).toBeGreaterThan(before + 3);
      const ids = await port.cutTogether(access, images, `cut-${cut}`, soon());
      const [first, second] = await Promise.all([counterAt(one, `cut-${cut}`), counterAt(other, `cut-${cut}`)]);
      expect(second, `of cut ${cut}, where the first has ${first}`).toBeLessThanOrEqual(first);
      expect(first, `of cut ${cut}, where the second has ${second}`).toBeLessThanOrEqual(second + 1);
      await Promise.all(images.map((at, n) => port.removeSnapshotById({ access, ...at }, at.imageId, ids[n]!, soon())));
    }
  } finally {
    await writer.stop();
  }
  for (const mapping of mappings) await mapper.unmap(mapping, soon());
});

describe('a cut of two images at one moment', () => {
  const access = accessAs('controller');
  const idOf = async (name: string) => {
    const { pool, namespace } = location(name);
    const head = await port.head({ access, pool, namespace, image: name }, soon());
    return { pool, namespace, imageId: head!.id };
  };
  const snapshots = async (name: string): Promise<number> => {
    const { imageId, ...place } = await idOf(name);
    return (await port.snapshotsById({ access, ...place }, imageId, soon()))!.snapshots.length;
  };

  it('two workers at the same images at the same time: both have all of theirs', async () => {
    const [one, other] = [await image(4), await image(4)];
    const images = [await idOf(one), await idOf(other)];
    const second = startLibrbd();
    try {
      const both = [port, second].map((by, n) => by.cutTogether(access, images, `of-${n}`, soon()));
      expect((await Promise.all(both)).map((ids) => ids.length)).toEqual([2, 2]);
    } finally {
      await second.close();
    }
    expect([await snapshots(one), await snapshots(other)]).toEqual([2, 2]);
  });
});
