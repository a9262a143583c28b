/**
 * Two images that the kernel client has mapped are cut at one moment while somebody writes to both: the kernel gives
 * their locks up and waits, no write of its user fails, and what comes later is in neither.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/host/process/exec.js';
import { createLog } from '../../src/observe/log.js';
import { createLibrbd } from '../../src/rbd/librbd/driver/librbd.js';
import { KrbdMapper } from '../../src/rbd/mapping/krbd/krbd-mapper.js';
import type { ImageRef } from '../../src/rbd/port.js';
import { numberIn, writeInTurn } from '../integration/rbd/write-in-turn.js';
import { soon } from './inside/disk.js';
import { nothingIsLeft } from './inside/expect.js';
import { newImage, removeImages } from './inside/images.js';
import { accessAs } from './inside/session.js';

const KEYS = '/run/berth-vm-keys';
const CUTS = 3;
const POLL_MS = 100;

const mapper = new KrbdMapper({ exec: run, runtimeDir: KEYS });
const port = createLibrbd({ log: createLog('silent') });

describe('the kernel client', () => {
  after(async () => {
    await port.close();
    await nothingIsLeft();
    await removeImages();
    rmSync(KEYS, { recursive: true, force: true });
  });

  it('writes to two images while both are cut at one moment: it waits, and never is the second ahead', async () => {
    const requests = [await newImage({ sizeMiB: 8 }), await newImage({ sizeMiB: 8 })];
    const access = accessAs('controller');
    const refs = requests.map(({ image }): ImageRef => ({ ...image, access }));
    const heads = await Promise.all(refs.map((at) => port.head(at, soon())));
    const images = refs.map(({ pool, namespace }, n) => ({ pool, namespace, imageId: heads[n]!.id }));
    const mappings = [await mapper.map(requests[0]!, soon()), await mapper.map(requests[1]!, soon())];
    const writer = await writeInTurn(...mappings.map(({ device }) => device));
    try {
      for (let cut = 0; cut < CUTS; cut += 1) {
        const before = writer.written();
        for (const deadline = soon(); writer.written() < before + 3 && !deadline.expired; ) await sleep(POLL_MS);
        assert.ok(writer.written() >= before + 3, 'the writer gets on');
        await port.cutTogether(access, images, `cut-${cut}`, soon());
      }
    } finally {
      await writer.stop();
      for (const mapping of mappings) await mapper.unmap(mapping, soon());
    }
    for (let cut = CUTS - 1; cut >= 0; cut -= 1) {
      for (const at of refs) await port.rollBack(at, `cut-${cut}`, soon());
      const [first, second] = (await Promise.all(refs.map((at) => port.readStart(at, 4096, soon())))).map(numberIn);
      assert.ok(second! <= first! && first! <= second! + 1, `cut ${cut}: ${first} and ${second}`);
      for (const at of refs) await port.removeSnapshot(at, `cut-${cut}`, soon());
    }
  });

  it('has one of them by its option exclusive: refused at once, and the other is not cut', async () => {
    const requests = [await newImage({ sizeMiB: 8 }), { ...(await newImage({ sizeMiB: 8 })), options: 'exclusive' }];
    const access = accessAs('controller');
    const refs = requests.map(({ image }): ImageRef => ({ ...image, access }));
    const heads = await Promise.all(refs.map((at) => port.head(at, soon())));
    const images = refs.map(({ pool, namespace }, n) => ({ pool, namespace, imageId: heads[n]!.id }));
    const mapping = await mapper.map(requests[1]!, soon());
    try {
      await assert.rejects(port.cutTogether(access, images, 'cut', soon()), /BERTH_IMAGE_EXCLUSIVE/);
      const found = await Promise.all(images.map((at) => port.snapshotsById({ ...at, access }, at.imageId, soon())));
      assert.deepEqual(
        found.map((one) => one?.snapshots),
        [[], []],
      );
    } finally {
      await mapper.unmap(mapping, soon());
    }
  });
});
