/**
 * The release before and this one in turn on the same volumes, with the same journal, records and registration: an
 * upgrade, a downgrade and an upgrade again, with volumes staged and published all the while. BERTH_PREVIOUS=1.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { block as raw, ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { buildPrevious, previousCommit, type PreviousRelease } from './previous-release.js';
import { Site } from './site.js';

const commit = previousCommit();

describe.skipIf(commit === undefined)('the release before and this one', () => {
  let previous: PreviousRelease;
  let site: Site;
  let driver: Driver;

  beforeAll(async () => {
    previous = buildPrevious(commit ?? '');
    site = await Site.open('turn');
    driver = site.driver('turn');
  }, 600_000);
  afterEach(() => site.endVolumes());
  afterAll(async () => {
    await site.close();
    previous.remove();
  });

  const goOn = async (as: 'previous' | 'present', how: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    await driver.stop(how);
    driver.program = as === 'previous' ? previous.program : undefined;
    await driver.start();
  };

  it.each(['SIGTERM', 'SIGKILL'] as const)('take over from each other after %s, both ways', async (how) => {
    await goOn('previous', how);
    const first = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const block = await site.create(driver, raw(), { sizeBytes: SMALL_BYTES });
    const target = await first.bring(driver);
    await block.bring(driver);
    await writeFile(path.join(target, 'by-previous'), 'one');

    await goOn('present', how);
    // As the kubelet repeats after a restart.
    await first.stage(driver);
    await first.publish(driver);
    expect(await readFile(path.join(target, 'by-previous'), 'utf8')).toBe('one');
    await first.publish(driver, 'second');
    await block.leave(driver);
    const second = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await writeFile(path.join(await second.bring(driver), 'by-present'), 'two');

    await goOn('previous', how);
    expect(await readFile(path.join(await second.publish(driver), 'by-present'), 'utf8')).toBe('two');
    await second.leave(driver);
    await first.leave(driver);
    expect(await readFile(path.join(await first.bring(driver), 'by-previous'), 'utf8')).toBe('one');
    await block.bring(driver);

    await goOn('present', how);
    await first.leave(driver);
    await block.leave(driver);
    await second.bring(driver);
    for (const one of [first, second, block]) expect(await site.images()).toContain(one.image.split('/').at(-1));
  });
});
