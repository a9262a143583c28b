/** Work that outlasts every caller and the operation's own time ends in success: retries join it, others are told. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refused } from './calls.js';
import { ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Site } from './site.js';

/** The operation's own time, and a caller's: both are over long before the work ends. */
const OPERATION_MS = 1_000;
const CALLER_MS = 4_000;

let site: Site;
let driver: Driver;
let wrappers: string;

/** A tool that begins its work when it is let go; `begun` has a line for each time that it was started. */
async function hold(tool: string): Promise<{ letGo(): Promise<void>; begun(): Promise<string> }> {
  const [go, begun] = [path.join(wrappers, `${tool}.go`), path.join(wrappers, `${tool}.begun`)];
  const wrapper = `#!/bin/sh
[ "$1" = -V ] && PATH=/usr/sbin:/sbin exec ${tool} -V
echo begun >> ${begun}
while [ ! -e ${go} ]; do sleep 0.1; done
PATH=/usr/sbin:/sbin exec ${tool} "$@"
`;
  await writeFile(path.join(wrappers, tool), wrapper, { mode: 0o755 });
  return { letGo: () => writeFile(go, ''), begun: () => readFile(begun, 'utf8') };
}

beforeAll(async () => {
  site = await Site.open('long');
  wrappers = await mkdtemp(path.join(tmpdir(), 'berth-wrappers-'));
  await chmod(wrappers, 0o755);
  driver = site.driver('node');
  const env = { PATH: `${wrappers}:${process.env['PATH'] ?? ''}`, BERTH_OPERATION_MS: String(OPERATION_MS) };
  await driver.start('ready', env);
});
afterAll(async () => {
  for (const tool of ['mkfs.ext4', 'resize2fs']) await writeFile(path.join(wrappers, `${tool}.go`), '');
  await site.close();
  await rm(wrappers, { recursive: true });
});

it('NodeStage, mkfs longer than caller and operation: DEADLINE tells, a retry joins and succeeds', async () => {
  const mkfs = await hold('mkfs.ext4');
  const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  await volume.attach(driver);
  for (const round of [1, 2]) {
    const call = volume.stage(driver, {}, CALLER_MS);
    await refused(call, 'DEADLINE_EXCEEDED', /stage of .* \(step mkfs of ext4, .*waiting for mkfs\.ext4 .*continues/s);
    expect([round, await mkfs.begun()]).toEqual([round, 'begun\n']);
  }
  await refused(
    volume.unstage(driver),
    'ABORTED',
    /stage is running since \d+ ms at step mkfs of ext4, waiting for mkfs/,
  );
  await mkfs.letGo();
  await volume.stage(driver);
  expect(await mkfs.begun()).toBe('begun\n');
  await put(await volume.publish(driver), 'made once');
  await volume.end();
});

it('NodeStage, growth longer than caller and operation: it is not cut, a retry joins and succeeds', async () => {
  const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  await put(await volume.bring(driver), 'before it grew');
  await volume.unpublish(driver);
  await volume.unstage(driver);
  await volume.expand(2 * SMALL_BYTES);
  const resize = await hold('resize2fs');
  for (const round of [1, 2]) {
    const call = volume.stage(driver, {}, CALLER_MS);
    await refused(
      call,
      'DEADLINE_EXCEEDED',
      /stage of .* \(step resize unmounted, .*waiting for resize2fs .*continues/s,
    );
    expect([round, await resize.begun()]).toEqual([round, 'begun\n']);
  }
  await resize.letGo();
  await volume.stage(driver);
  expect(await resize.begun()).toBe('begun\n');
  expect(await get(await volume.publish(driver))).toBe('before it grew');
  await volume.end();
});
