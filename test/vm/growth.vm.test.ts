/**
 * An ext4 that this node has mounted grows mounted, under its kernel's journal: from any size, and whatever is killed
 * meanwhile. Only a machine with CAP_SYS_RESOURCE can show it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from '../../src/model/deadline.js';
import type { ToolsToCut } from '../integration/csi/tools-to-cut.js';
import { VmNode } from './inside/crash.js';
import { forget } from './inside/driver.js';
import { nothingIsLeft } from './inside/expect.js';
import { cuttableTools, fill, PATIENCE_MS, sumOf } from './inside/growing-files.js';
import { host } from './inside/host.js';
import { MiB } from './inside/images.js';
import { mount, Volume } from './inside/volume.js';

const GiB = 1024 * MiB;
/** Each costs a minute of emulation: a new driver has to start. */
const KILLS = 10;
/** Each share of the tool's work is one moment of a kill: read and written bytes, its start and its end included. */
const SHARES = Array.from({ length: KILLS }, (_, index) => index / (KILLS - 1));
/** What ext4 and its tables may take of a device that it fills. */
const LEAST_SHARE = 0.85;

describe('an ext4 that is mounted', () => {
  let node: VmNode;
  let tools: ToolsToCut;

  before(async () => {
    tools = await cuttableTools();
    node = await VmNode.start('vm-growth', 'krbd');
  });
  after(async () => {
    await node.node.stop();
    await forget(node.node);
    await nothingIsLeft();
  });

  const newVolume = (sizeBytes: number): Promise<Volume> =>
    Volume.create(node.node, mount('ext4'), sizeBytes, { mounter: 'krbd' });

  /** The node's half, until it succeeds, by a new driver where this one was killed. */
  async function growAtLast(volume: Volume, sizeBytes: number): Promise<void> {
    for (const deadline = Deadline.after(PATIENCE_MS); ; ) {
      const error = await volume.expandHere(sizeBytes).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) return;
      if (deadline.expired) throw new Error(`it never grew: ${error instanceof Error ? error.message : 'unknown'}`);
      const state = await Promise.race([node.node.driver.ended, sleep(500, 'alive')]);
      if (state !== 'alive') await node.restart();
    }
  }

  for (const [from, to] of [
    [8 * MiB, 2 * GiB],
    [64 * MiB, 65 * GiB],
    [512 * MiB, 8 * GiB],
  ] as const) {
    it(`grows from ${from / MiB} MiB to ${to / GiB} GiB, contents equal`, async () => {
      const volume = await newVolume(from);
      const target = await volume.bring();
      await fill(target, from / 1024 / 4);
      const sum = await sumOf(target);
      assert.equal(await volume.expand(to), to);
      assert.ok((await volume.stats()) > to * LEAST_SHARE);
      assert.equal(await sumOf(target), sum);
      await volume.leave();
      const again = await volume.bring();
      assert.equal(await sumOf(again), sum);
      assert.ok((await volume.stats()) > to * LEAST_SHARE);
      await volume.leave();
      await volume.remove();
    });
  }

  it(`tool or driver killed ${KILLS} times: contents are equal, it grows then, and no snapshot is made`, async () => {
    const volume = await newVolume(64 * MiB);
    let target = await volume.bring();
    await fill(target, 32 * 1024);
    const sum = await sumOf(target);
    await volume.expand(GiB);
    const whole = await tools.movedBytes();
    for (const [index, share] of SHARES.entries()) {
      const size = (index + 2) * GiB;
      await volume.expandImage(size);
      await tools.cutOnce(index % 2 === 0 ? 'tool' : 'driver', Math.ceil(whole * share));
      await growAtLast(volume, size);
      await tools.cutNoMore();
      // Killed after its answer.
      if ((await Promise.race([node.node.driver.ended, sleep(500, 'alive')])) !== 'alive') await node.restart();
      const when = `kill ${index + 1}, at ${share} of the tool's work`;
      assert.equal(await sumOf(target), sum, when);
      assert.ok((await volume.stats()) > size * LEAST_SHARE, when);
    }
    await volume.leave();
    target = await volume.bring();
    assert.equal(await sumOf(target), sum);
    await volume.leave();
    assert.equal(await host.rbd('snap', 'ls', volume.id.replace('dev/', '')), '');
    await volume.remove();
  });
});
