/**
 * A cluster that stands still: every call ends in its caller's time, the work goes on by itself after the thaw, nothing
 * stays behind.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { get, put } from './inside/disk.js';
import { childrenOf, forget, probe, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft, refusedByDriver } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB } from './inside/images.js';
import { mount, Volume } from './inside/volume.js';

/**
 * What the impatient caller waits, ms, and how much later than that its answer may reach it: everything takes thirty
 * times as long in here.
 */
const IMPATIENT_MS = 20_000;
const SLACK_MS = 2_000;
/** What a call that needs no cluster may take in a busy guest, ms. */
const PROMPT_MS = 10_000;
/** The liveness probe's patience, ms. */
const PROBE_MS = 3_000;
const SETTLE_MS = 15_000;

let node: Node;

async function within(ms: number, what: string, job: Promise<unknown>): Promise<void> {
  const started = performance.now();
  await job;
  const took = Math.round(performance.now() - started);
  assert.ok(took < ms, `${what} took ${took} ms`);
}

/** No child runs for it any more. */
async function nothingRuns(): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  while ((await childrenOf(node)).length > 0 && performance.now() < until) await sleep(200);
  assert.deepEqual(await childrenOf(node), []);
}

const create = (parameters: object = {}): Promise<Volume> =>
  Volume.create(node, mount('ext4'), 32 * MiB, { mounter: 'krbd', ...parameters });

describe('a cluster that stands still', () => {
  before(async () => {
    node = await startNode('frozen-node');
  });
  afterEach(async () => {
    for (const daemon of ['osd', 'mon'] as const) await host.thaw(daemon);
    await nothingRuns();
  });
  after(async () => {
    const started = performance.now();
    await node.stop();
    // An operation that was stuck would be waited for.
    assert.ok(performance.now() - started < PROMPT_MS, 'the driver took its time to end');
    await nothingIsLeft();
    await forget(node);
  });

  for (const daemon of ['osd', 'mon'] as const) {
    it(`with its ${daemon} frozen keeps NodeStage no longer than its caller waits; the thaw completes it`, async () => {
      const other = await create();
      await other.bring();
      const volume = await create();
      await volume.attach();
      await host.freeze(daemon);
      await within(
        IMPATIENT_MS + SLACK_MS,
        'stage',
        refusedByDriver(
          volume.stage(IMPATIENT_MS),
          status.DEADLINE_EXCEEDED,
          /stage of .* \(step .*, running since \d+ ms\)/,
        ),
      );
      // The retry joins what runs; anything else is told what that is.
      const retry = volume.stage();
      await sleep(500);
      await refusedByDriver(volume.unstage(), status.ABORTED, /stage is running since \d+ ms at step/);
      await within(PROBE_MS, 'Probe', probe(node, PROBE_MS));
      for (let call = 0; call < 6; call += 1) assert.ok((await other.stats('pod', PROMPT_MS)) > 0);
      const second = await other.publish('second');
      await within(PROMPT_MS, 'unpublish of another volume', other.unpublish('second'));
      assert.notEqual(second, '');
      await host.thaw(daemon);
      await within(PROMPT_MS * 3, 'the joined retry', retry);
      await put(await volume.publish(), 'after the thaw');
      for (const one of [volume, other]) {
        await one.leave();
        await one.remove();
      }
    });
  }

  it('keeps an unstage no longer than its caller waits, and the thaw completes it with the data', async () => {
    const volume = await create();
    const target = await volume.bring();
    await put(target, 'not written yet', false);
    await host.freeze('osd');
    await within(PROMPT_MS, 'unpublish', volume.unpublish());
    await within(
      IMPATIENT_MS + SLACK_MS,
      'unstage',
      refusedByDriver(volume.unstage(IMPATIENT_MS), status.DEADLINE_EXCEEDED, /unstage of .* \(step unmount/),
    );
    await within(PROBE_MS, 'Probe', probe(node, PROBE_MS));
    await host.thaw('osd');
    await within(PROMPT_MS * 3, 'the retry', volume.unstage());
    await nothingIsLeft();
    await volume.stage();
    assert.equal(await get(volume.staging), 'not written yet');
    await volume.unstage();
    await volume.detach();
    await volume.remove();
  });

  it('lets an unstage end without a thaw after the osd_request_timeout of the class', async () => {
    const volume = await create({ mapOptions: 'osd_request_timeout=5' });
    const target = await volume.bring();
    await put(target, 'given up', false);
    await host.freeze('osd');
    await volume.unpublish();
    await volume.unstage();
    await nothingIsLeft();
    await nothingRuns();
    await host.thaw('osd');
    await volume.detachInTime();
    await volume.remove();
  });
});
