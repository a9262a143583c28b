/**
 * A process that writes and syncs without a pause sees no error, and loses no write, while its driver is killed,
 * upgraded and reconciles.
 */
import { spawn } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { xfs, XFS_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';
import { Kubelet } from './kubelet.js';
import { devicesOf, logged, rounds } from './power.js';

/** A program of its own: what the pod does must not end, or wait, with anything of the test. */
const WRITER = `
  const fs = require('node:fs');
  const fd = fs.openSync(process.argv[1], 'a');
  let count = 0, longest = 0, stop = false;
  process.on('SIGTERM', () => (stop = true));
  const beat = () => {
    const begun = performance.now();
    fs.writeSync(fd, 'beat ' + count++ + '\\n');
    fs.fsyncSync(fd);
    longest = Math.max(longest, performance.now() - begun);
    if (!stop) return setTimeout(beat, 5);
    process.stdout.write(JSON.stringify({ count, longest }));
  };
  beat();
`;

function write(file: string): () => Promise<{ count: number; longest: number }> {
  const child = spawn(process.execPath, ['-e', WRITER, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return async () => {
    child.kill('SIGTERM');
    expect(await ended, err).toBe(0);
    return JSON.parse(out) as { count: number; longest: number };
  };
}

let site: Site;
let driver: Driver;
let kubelet: Kubelet;

beforeAll(async () => {
  site = await Site.open('beat');
  kubelet = new Kubelet(await site.kubelet());
  const often = ['--kubelet-dir', kubelet.root, '--reconcile-interval', '1', '--leftover-age', '1'];
  driver = await site.driver('node-one', { arguments: often }).start();
});
afterAll(() => site.close());

describe('reconciliation, a pod that writes', () => {
  it('driver killed, stopped and started over and over: no error, no write lost', async () => {
    const volume = await site.create(driver, xfs(), { sizeBytes: XFS_BYTES });
    await volume.attach(driver);
    const stagingTargetPath = await kubelet.stage(volume.id);
    // Before the stage: what no pod's directory names counts as forgotten here after a second.
    const targetPath = await kubelet.publish('pod', 'pv', volume.id);
    await volume.stage(driver, { stagingTargetPath });
    await volume.publish(driver, 'pod', { stagingTargetPath, targetPath });
    const mounts = async () =>
      (await readMounts()).filter(({ target }) => target.startsWith(`${kubelet.root}/`)).map(({ id }) => id);
    const before = { mounts: await mounts(), devices: await devicesOf(driver) };
    const file = path.join(targetPath, 'beats');
    const stop = write(file);
    const size = async (): Promise<number> => (await stat(file)).size;
    await expect.poll(() => size().catch(() => 0)).toBeGreaterThan(0);
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
      await driver.stop(signal);
      // Its writes go on while there is no driver.
      const written = await size();
      await expect.poll(size).toBeGreaterThan(written + 500);
      await driver.start();
      await rounds(driver);
    }
    const { count, longest } = await stop();
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines).toEqual(Array.from({ length: count }, (_, index) => `beat ${index}`));
    expect(count).toBeGreaterThan(100);
    expect(longest, 'ms of the longest write and sync').toBeLessThan(50_000);
    expect({ mounts: await mounts(), devices: await devicesOf(driver) }).toEqual(before);
    // And not a word about it: a volume in use is what it should be.
    expect(JSON.stringify(await logged(driver, 'reconciled'))).not.toContain(volume.id);
    const found = await logged(driver, 'reconciliation found something that it leaves alone');
    expect(found.filter(({ kind }) => kind !== 'foreign')).toEqual([]);
    await driver.node.NodeUnpublishVolume({ volumeId: volume.id, targetPath });
    await driver.node.NodeUnstageVolume({ volumeId: volume.id, stagingTargetPath });
    await site.endVolumes();
  });
});
