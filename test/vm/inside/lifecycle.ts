/** A volume's whole life on the real kernel, through the driver's socket, by one of the mappers that production has. */
import assert from 'node:assert/strict';
import { stat, statfs } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { deviceSizeBytes } from '../../../src/host/device/block-device.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { run } from '../../../src/host/process/exec.js';
import { parseVolumeId } from '../../../src/model/volume-id.js';
import { KrbdMapper } from '../../../src/rbd/mapping/krbd/krbd-mapper.js';
import { isDeletedName } from '../../../src/volume/image/image-name.js';
import { mounted, readSector, soon, writeSector, get, put } from './disk.js';
import { forget, startNode, type Node } from './driver.js';
import { nothingIsLeft, refusedByDriver } from './expect.js';
import { host } from './host.js';
import { MiB } from './images.js';
import { accessAs, session } from './session.js';
import { block, mount, Volume } from './volume.js';

let node: Node;

const bytesOf = async (target: string): Promise<number> => {
  const { blocks, bsize } = await statfs(target);
  return blocks * bsize;
};
const deviceOf = async (target: string): Promise<string> => (await mountAt(target))?.source ?? 'nothing';

export const lifecycle = (mounter: 'krbd' | 'nbd'): void =>
  void describe(`a volume of the driver on ${mounter}`, () => {
    before(async () => {
      node = await startNode('vm-node');
    });
    after(async () => {
      try {
        await nothingIsLeft();
        const images = async (): Promise<readonly string[]> =>
          JSON.parse(await host.rbd('ls', session.pool, '--format', 'json')) as string[];
        assert.deepEqual(
          (await images()).filter((name) => !isDeletedName(name)),
          [],
        );
        // The driver removes the data of what was deleted behind it; a hang ends with the file.
        while ((await images()).length > 0) await sleep(500);
      } catch (error) {
        process.stdout.write(await node.log());
        throw error;
      } finally {
        await node.stop();
      }
      await forget(node);
    });

    for (const [fsType, before, grown] of [
      ['ext4', 64, 96],
      ['xfs', 300, 400],
    ] as const) {
      it(`lives with ${fsType}: made, mounted, grown under a pod, and its data is there again`, async () => {
        const volume = await Volume.create(node, mount(fsType), before * MiB, { mounter });
        const target = await volume.bring();
        assert.match(await deviceOf(target), mounter === 'krbd' ? /^\/dev\/rbd\d/ : /^\/dev\/nbd\d/);
        assert.equal((await mountAt(target))?.fsType, fsType);
        await put(target, 'from the first pod');
        const was = await bytesOf(target);
        assert.equal(await volume.expand(grown * MiB), grown * MiB);
        assert.ok(
          (await bytesOf(target)) > was + 0.8 * (grown - before) * MiB,
          `${was} to ${await bytesOf(target)} bytes`,
        );
        assert.equal(await get(target), 'from the first pod');
        await volume.leave();
        await nothingIsLeft();
        const again = await volume.bring();
        assert.equal(await get(again), 'from the first pod');
        await volume.leave();
        await volume.remove();
      });
    }

    it(`lives as a raw block device, which grows, too`, async () => {
      const volume = await Volume.create(node, block, 32 * MiB, { mounter });
      const target = await volume.bring();
      assert.ok((await stat(target)).isBlockDevice());
      await writeSector(target, 'raw');
      assert.equal(await volume.expand(48 * MiB), 48 * MiB);
      assert.equal(await deviceSizeBytes(target), BigInt(48 * MiB));
      await volume.leave();
      assert.equal(await readSector(await volume.bring()), 'raw');
      await volume.leave();
      await volume.remove();
    });

    it(`is neither attached nor staged beside an image that somebody mapped by hand`, async () => {
      const volume = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter });
      await put(await volume.bring(), 'from before');
      await volume.leave();
      const { pool, namespace, image } = parseVolumeId(volume.id)!;
      const at = { access: accessAs('node'), pool, namespace, image };
      const byHand = new KrbdMapper({ exec: run, runtimeDir: `${node.directory}/by-hand` });
      // A client of its own, as another machine's would be.
      const asked = {
        image: at,
        fsid: session.fsid,
        readOnly: false,
        features: ['layering'],
        options: 'noshare',
        ioTimeoutSeconds: 0,
      };
      const mapping = await byHand.map(asked, soon());
      try {
        const { address } = (await byHand.clientOf(mapping))!;
        await mounted(mapping.device, async (target) => {
          await put(target, 'by hand');
          const words = new RegExp(`BERTH_VOLUME_IN_USE: .*${address.replace(/[.[\]]/g, '\\$&')}`);
          await refusedByDriver(volume.attach(), status.FAILED_PRECONDITION, words);
          // The kernel client finds what this kernel has mapped already, and that is not a second time.
          if (mounter === 'nbd') await refusedByDriver(volume.stage(), status.FAILED_PRECONDITION, words);
          assert.equal(await get(target), 'by hand');
        });
      } finally {
        await byHand.unmap(mapping, soon());
      }
      assert.equal(await get(await volume.bring()), 'by hand');
      await volume.leave();
      await volume.remove();
    });

    it(`is shown read-only to one pod and stays writable for the other`, async () => {
      const volume = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter });
      const writer = await volume.bring();
      const reader = await volume.publish('reader', true);
      await put(writer, 'news');
      assert.equal(await get(reader), 'news');
      await assert.rejects(put(reader, 'no'), /EROFS/);
      await volume.leave('pod', 'reader');
      // And read-only altogether: the mapping itself refuses writes.
      await volume.attach(true);
      await volume.stage();
      const target = await volume.publish('reader', true);
      assert.equal(await get(target), 'news');
      assert.ok((await mountAt(target))?.superOptions.includes('ro'));
      await volume.leave('reader');
      await volume.remove();
    });
  });
