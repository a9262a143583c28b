/**
 * An ext4 of a guest on the real kernel client: this node maps it and never mounts it, so that it grows behind a
 * snapshot, and goes back to it when it was cut short.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { VolumeCapability } from '../../src/csi/gen/csi/v1/VolumeCapability.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { readKrbdDevices } from '../../src/rbd/mapping/krbd/krbd-sysfs.js';
import { KERNEL_ROOTS } from '../../src/rbd/mapping/roots.js';
import type { ToolsToCut } from '../integration/csi/tools-to-cut.js';
import { VmNode } from './inside/crash.js';
import { mounted } from './inside/disk.js';
import { forget } from './inside/driver.js';
import { nothingIsLeft, refusedByDriver } from './inside/expect.js';
import { cuttableTools, fill, PATIENCE_MS, sumOf } from './inside/growing-files.js';
import { host } from './inside/host.js';
import { MiB } from './inside/images.js';
import { Volume } from './inside/volume.js';

const GiB = 1024 * MiB;
const KILLS = 5;
const ONE_WRITER: VolumeCapability = {
  mount: { fsType: 'ext4', mountFlags: [] },
  accessMode: { mode: 'SINGLE_NODE_SINGLE_WRITER' },
};
/** What ext4 and its tables may take of a device that it fills, with blocks of 1 KiB. */
const LEAST_SHARE = 0.8;

describe('an ext4 of a guest', () => {
  let node: VmNode;
  let tools: ToolsToCut;

  before(async () => {
    tools = await cuttableTools();
    node = await VmNode.start('vm-guests-growth', 'krbd');
  });
  after(async () => {
    await node.node.stop();
    await forget(node.node);
    await nothingIsLeft();
  });

  /** As the guest mounts it, when it is staged. */
  async function asGuest<T>(volume: Volume, use: (directory: string) => Promise<T>): Promise<T> {
    const devices = readKrbdDevices(KERNEL_ROOTS.sys);
    const found = devices.find(({ location }) => volume.id.endsWith(`/${location.image}`));
    assert.ok(found, 'it is not mapped');
    return mounted(`/dev/rbd${found.id}`, use);
  }

  it(`tool killed ${KILLS} times on the way: it goes back each time, contents equal, and grows then`, async () => {
    const parameters = { mounter: 'krbd', sandbox: 'kata', mkfsOptions: '-b 1024 -O resize_inode' };
    const volume = await Volume.create(node.node, ONE_WRITER, 64 * MiB, parameters);
    await volume.attach();
    await volume.stage();
    await asGuest(volume, (directory) => fill(directory, 32 * 1024));
    const sum = await asGuest(volume, sumOf);
    const image = volume.id.replace('dev/', '');
    let size = GiB;
    let whole = 0;
    for (let kill = 0; kill <= KILLS; kill += 1, size += GiB) {
      await volume.unstage();
      await volume.expandImage(size);
      // The first shows how much work it is.
      if (kill > 0) {
        await tools.cutAlways('tool', Math.ceil((whole * kill) / (KILLS + 1)));
        await refusedByDriver(volume.stage(), status.ABORTED, /BERTH_GROWTH_UNFINISHED/);
        assert.match(await host.rbd('snap', 'ls', image), /berth-growth-/);
        await tools.cutNoMore();
      }
      await volume.stage();
      if (kill === 0) whole = await tools.movedBytes();
      assert.equal(await host.rbd('snap', 'ls', image), '');
      await asGuest(volume, async (directory) => {
        assert.equal(await sumOf(directory), sum, `kill ${kill}`);
        const { stdout } = await run('df', ['--block-size=1', '--output=size', directory], {
          deadline: Deadline.after(PATIENCE_MS),
        });
        assert.ok(Number(stdout.split('\n')[1]) > size * LEAST_SHARE, `kill ${kill}`);
      });
    }
    await volume.unstage();
    await volume.detach();
    await volume.remove();
  });
});
