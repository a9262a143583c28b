/** Work that outlasts every caller and the operation's own time ends in success: retries join it, others are told. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { refused } from './calls.js';
import { ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';

/** The operation's own time, and a caller's: both are over long before the work ends. */
const OPERATION_MS = 1_000;
const CALLER_MS = 4_000;

let site: Site;
let driver: Driver;
let wrappers: string;

beforeAll(async () => {
  site = await Site.open('long');
  wrappers = await mkdtemp(path.join(tmpdir(), 'berth-wrappers-'));
  await chmod(wrappers, 0o755);
  const wrapper = `#!/bin/sh
echo begun >> ${wrappers}/begun
while [ ! -e ${wrappers}/go ]; do sleep 0.1; done
PATH=/usr/sbin:/sbin exec mkfs.ext4 "$@"
`;
  await writeFile(path.join(wrappers, 'mkfs.ext4'), wrapper, { mode: 0o755 });
  driver = site.driver('node');
  const env = { PATH: `${wrappers}:${process.env['PATH'] ?? ''}`, BERTH_OPERATION_MS: String(OPERATION_MS) };
  await driver.start('ready', env);
});
afterAll(async () => {
  await writeFile(path.join(wrappers, 'go'), '');
  await site.close();
  await rm(wrappers, { recursive: true });
});

it('NodeStage, mkfs longer than caller and operation: DEADLINE tells, a retry joins and succeeds', async () => {
  const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  await volume.attach(driver);
  const request = {
    volumeId: volume.id,
    stagingTargetPath: await driver.stagingPath(volume.id),
    volumeCapability: volume.capability,
  };
  for (const round of [1, 2]) {
    const call = driver.node.NodeStageVolume(request, CALLER_MS);
    await refused(call, 'DEADLINE_EXCEEDED', /stage of .* \(step mkfs of ext4, .*waiting for mkfs\.ext4 .*continues/s);
    expect([round, await readFile(path.join(wrappers, 'begun'), 'utf8')]).toEqual([round, 'begun\n']);
  }
  await refused(
    volume.unstage(driver),
    'ABORTED',
    /stage is running since \d+ ms at step mkfs of ext4, waiting for mkfs/,
  );
  await writeFile(path.join(wrappers, 'go'), '');
  await driver.node.NodeStageVolume(request);
  expect(await readFile(path.join(wrappers, 'begun'), 'utf8')).toBe('begun\n');
  const target = await volume.publish(driver);
  await run('touch', [path.join(target, 'file')], { deadline: Deadline.after(60_000) });
  await volume.end();
});
