/**
 * A cluster that stands still: every call ends in its caller's time, the work goes on by itself after the thaw, nothing
 * stays behind.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import { settledWithin } from '../../src/model/time-limit.js';
import { readKrbdDevices } from '../../src/rbd/mapping/krbd/krbd-sysfs.js';
import { KERNEL_ROOTS } from '../../src/rbd/mapping/roots.js';
import { get, put } from './inside/disk.js';
import { childrenOf, forget, probe, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft, refusedByDriver } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB } from './inside/images.js';
import { session } from './inside/session.js';
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

/** Longer than the two minutes after which a kernel client is often told to give up. */
const STANDSTILL_MS = 150_000;
/** What a write may take to come through in a busy guest once the cluster is back, ms. */
const RECOVERY_MS = 120_000;
const JOURNAL = 'journal';
const BULK = 'bulk';
const BULK_BYTES = 4 * MiB;

/** As a database writes its journal: numbered lines, each on the disk before the next one is begun. */
class Writer {
  readonly #file: FileHandle;
  #lines = 0;
  #stopped = false;
  #error: unknown;
  readonly #end: Promise<void>;

  private constructor(file: FileHandle) {
    this.#file = file;
    this.#end = this.#write().catch((error: unknown) => void (this.#error = error));
  }

  static async start(directory: string): Promise<Writer> {
    return new Writer(await open(path.join(directory, JOURNAL), 'w'));
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      await this.#file.write(`${this.#lines}\n`);
      await this.#file.datasync();
      this.#lines += 1;
    }
  }

  /** Two more lines are on the disk: one of them was begun after this was called. */
  async goesOn(): Promise<void> {
    const [before, until] = [this.#lines, performance.now() + RECOVERY_MS];
    while (this.#lines < before + 2) {
      assert.equal(this.#error, undefined);
      assert.ok(performance.now() < until, 'nothing is written any more');
      await sleep(100);
    }
  }

  /** All that was written. */
  async stop(): Promise<string> {
    this.#stopped = true;
    await this.#end;
    await this.#file.close();
    assert.equal(this.#error, undefined);
    return Array.from({ length: this.#lines }, (_, line) => `${line}\n`).join('');
  }

  /** What it was told when it could not write any more. */
  async failure(): Promise<string> {
    assert.ok(await settledWithin(this.#end, RECOVERY_MS), 'it waits on');
    await this.#file.close().catch(() => undefined);
    return String(this.#error);
  }
}

/** Written to the page cache, and left to the kernel, which writes it back some seconds later; its sum. */
async function putBulk(directory: string): Promise<string> {
  const bytes = randomBytes(BULK_BYTES);
  await writeFile(path.join(directory, BULK), bytes);
  return createHash('sha256').update(bytes).digest('hex');
}

const sumOf = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

/** In a slow guest the standstill outlasts Ceph's own patience (30 s), which ends the stage: the kubelet asks again. */
async function stageAnew(volume: Volume, error: unknown): Promise<void> {
  assert.equal((error as ServiceError).code, status.UNAVAILABLE, String(error));
  await volume.stage();
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
      retry.catch(() => undefined);
      await sleep(500);
      await refusedByDriver(volume.unstage(), status.ABORTED, /stage is running since \d+ ms at step/);
      await within(PROBE_MS, 'Probe', probe(node, PROBE_MS));
      for (let call = 0; call < 6; call += 1) assert.ok((await other.stats('pod', PROMPT_MS)) > 0);
      const second = await other.publish('second');
      await within(PROMPT_MS, 'unpublish of another volume', other.unpublish('second'));
      assert.notEqual(second, '');
      await host.thaw(daemon);
      await within(
        PROMPT_MS * 3,
        'the joined retry',
        retry.catch((error: unknown) => stageAnew(volume, error)),
      );
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

  it('loses nothing that is written while its osd stands still for 150 s, by krbd and by rbd-nbd', async () => {
    const volumes = [await create(), await create({ mounter: 'nbd' })];
    const writers: Writer[] = [];
    for (const volume of volumes) writers.push(await Writer.start(await volume.bring()));
    for (const writer of writers) await writer.goesOn();
    const bulks = await Promise.all(volumes.map((volume) => putBulk(volume.target('pod'))));
    await host.freeze('osd');
    const frozen = performance.now();
    while (performance.now() - frozen < STANDSTILL_MS) {
      await within(PROBE_MS, 'Probe', probe(node, PROBE_MS));
      for (const volume of volumes) assert.ok((await volume.stats('pod', PROMPT_MS)) > 0);
      await sleep(10_000);
    }
    await host.thaw('osd');
    for (const [index, volume] of volumes.entries()) {
      const writer = writers[index]!;
      await writer.goesOn();
      const lines = await writer.stop();
      await volume.leave();
      await volume.attach();
      await volume.stage();
      assert.equal(await readFile(path.join(volume.staging, JOURNAL), 'utf8'), lines);
      assert.equal(await sumOf(path.join(volume.staging, BULK)), bulks[index]);
      await volume.unstage();
      await volume.detach();
      await volume.remove();
    }
  });

  it('gives its writer errors once it was fenced in that standstill, and lets the volume go', async () => {
    const volume = await create();
    const writer = await Writer.start(await volume.bring());
    await writer.goesOn();
    await host.freeze('osd');
    const devices = readKrbdDevices(KERNEL_ROOTS.sys);
    for (const { clientAddress } of devices.filter(({ location }) => location.fsid === session.fsid)) {
      await host.ceph('osd', 'blocklist', 'add', clientAddress, '3600');
    }
    await host.thaw('osd');
    assert.match(await writer.failure(), /EIO|EROFS/);
    await volume.unpublish();
    await volume.unstage();
    await nothingIsLeft();
    await volume.detachInTime();
    await volume.remove();
  });

  for (const mounter of ['krbd', 'nbd']) {
    it(`lets an unstage by ${mounter} end without a thaw after the ioTimeout of the class`, async () => {
      const volume = await create({ mounter, ioTimeout: '5s' });
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
  }
});
