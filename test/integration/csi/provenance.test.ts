/**
 * Never a byte lost to a format: whatever an image is, it is only formatted when Berth made it, nothing was ever
 * written and the record says so.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { refused } from './calls.js';
import { block, ext4, MiB, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put, putSector } from './files.js';
import { allocated, cloneOf, contentOf, importFilesystem, wipe, writeInto } from './images.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

let site: Site;
let driver: Driver;
/** What a test prepared by hand, undone in reverse order. */
const afterwards: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  site = await Site.open('prov');
  driver = await site.driver('node-one').start();
});
afterEach(async () => {
  for (const step of afterwards.splice(0).toReversed()) await step();
  await site.endVolumes();
});
afterAll(() => site.close());

/** An image by its name alone, as a hand-written PersistentVolume has it. */
function byHand(name: string): { readonly image: string; readonly id: string } {
  const image = `${site.pool}/${site.namespace}/${name}`;
  afterwards.push(() => site.rbd('rm', '--no-progress', image).catch(() => undefined));
  return { image, id: `dev/${image}` };
}

/** Take a volume that Berth may not delete from the node again. */
function leaveAfterwards(volume: Volume): void {
  afterwards.push(() => volume.leave(driver));
}

async function refusesToFormat(volume: Volume, words?: RegExp): Promise<void> {
  const before = await contentOf(site, volume.image);
  await volume.attach(driver);
  await refused(volume.stage(driver), 'FAILED_PRECONDITION', words);
  expect(await mountAt(await driver.stagingPath(volume.id))).toBeUndefined();
  await volume.leave(driver);
  expect(await contentOf(site, volume.image)).toBe(before);
}

describe('NodeStage, a volume that Berth made', () => {
  it.each([0, 4096, 5 * MiB, SMALL_BYTES - 512])('is not formatted where somebody wrote at byte %s', async (offset) => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await writeInto(site, volume.image, offset, Buffer.alloc(512, 'precious'));
    await refusesToFormat(volume);
  });

  it('is not formatted where somebody wrote nothing but zeros', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await writeInto(site, volume.image, 8 * MiB, Buffer.alloc(4096));
    if ((await allocated(site, volume.image)) > 0) await refusesToFormat(volume);
    else await volume.bring(driver);
  });

  it('is never formatted twice: wiped behind our back, it is refused', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await put(await volume.bring(driver), 'gone soon');
    await volume.leave(driver);
    await wipe(site, volume.image, SMALL_BYTES);
    expect(await allocated(site, volume.image)).toBe(0);
    await refusesToFormat(volume, /formatted/);
  });

  it('is not given another filesystem than the one that it holds', async () => {
    const volume = await site.create(driver, xfs(), { sizeBytes: XFS_BYTES });
    await put(await volume.bring(driver), 'in xfs');
    await volume.leave(driver);
    await volume.attach(driver);
    await refused(volume.stage(driver, { volumeCapability: ext4() }), 'FAILED_PRECONDITION', /xfs/);
    await volume.stage(driver);
    expect(await get(await volume.publish(driver))).toBe('in xfs');
  });

  it('is its user’s once it was handed out as a raw device', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    const device = await volume.bring(driver);
    await putSector(device, 16 * MiB, 'a database');
    await volume.leave(driver);
    const files = site.track(volume.id, ext4(), driver);
    await refusesToFormat(files);
  });

  it('is its user’s even where nothing was written to the raw device', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await volume.bring(driver);
    await volume.leave(driver);
    await refusesToFormat(site.track(volume.id, ext4(), driver));
  });

  it('is not formatted over a record that cannot be read', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const [key] = Object.entries(await site.metadata(volume.image)).find(([, value]) => value.includes('never'))!;
    await site.rbd('image-meta', 'set', volume.image, key, '{"version":2,"state":"elsewhere"}');
    await refusesToFormat(volume, /record/);
    await site.rbd('image-meta', 'remove', volume.image, key);
    await refusesToFormat(volume);
  });
});

describe('NodeStage, a foreign image', () => {
  it('with a filesystem can be used as a static volume, and is never deleted', async () => {
    const { image, id } = byHand('foreign-fs');
    await importFilesystem(site, image, SMALL_BYTES);
    // It is not Berth's to delete, so it is not ended with the others.
    const volume = site.adopt(id, ext4(), driver);
    leaveAfterwards(volume);
    const target = await volume.bring(driver);
    expect(await get(target)).toBe('from elsewhere');
    await put(target, 'and now from here', 'new');
    await volume.leave(driver);
    await refused(volume.delete(), ['FAILED_PRECONDITION', 'ALREADY_EXISTS'], /not.*made|Berth did not/);
    expect(await site.images()).toContain('foreign-fs');
    expect(await get(await volume.bring(driver), 'new')).toBe('and now from here');
  });

  it('that is empty is never formatted', async () => {
    const { image, id } = byHand('foreign-empty');
    await site.rbd('create', image, '--size', '32M');
    const volume = site.adopt(id, ext4(), driver);
    leaveAfterwards(volume);
    await refusesToFormat(volume);
    expect(await allocated(site, image)).toBe(0);
  });

  it('is not taken for a volume by CreateVolume of the name whose image it would be', async () => {
    const name = site.unique();
    const first = await site.create(driver, ext4(), { name, sizeBytes: SMALL_BYTES });
    await first.delete();
    byHand(first.id.split('/').at(-1)!);
    await site.rbd('create', first.image, '--size', '32M');
    await writeInto(site, first.image, 4 * MiB, Buffer.from('somebody else’s'));
    const before = await contentOf(site, first.image);
    const again = () => driver.controller.CreateVolume(site.request(ext4(), { name, sizeBytes: SMALL_BYTES }));
    await refused(again(), 'ALREADY_EXISTS', /not.*Berth|foreign/i);
    await site.rbd('image-meta', 'set', first.image, 'owner', 'team-x');
    await refused(again(), 'ALREADY_EXISTS');
    expect(await contentOf(site, first.image)).toBe(before);
    expect(Object.keys(await site.metadata(first.image))).toEqual(['owner']);
    await refused(first.delete(), 'FAILED_PRECONDITION');
  });
});

describe('NodeStage, a clone made by hand', () => {
  it('of a volume in use shows the data and is never formatted', async () => {
    const origin = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await put(await origin.bring(driver), 'of the parent');
    await origin.leave(driver);
    const { image, id } = byHand('clone-full');
    afterwards.push(await cloneOf(site, origin.image, image));
    const clone = site.adopt(id, ext4(), driver);
    leaveAfterwards(clone);
    expect(await get(await clone.bring(driver))).toBe('of the parent');
  });

  it('of a volume that was never written is not formatted either: its record is its parent’s', async () => {
    const origin = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const { image, id } = byHand('clone-empty');
    afterwards.push(await cloneOf(site, origin.image, image));
    const clone = site.adopt(id, ext4(), driver);
    leaveAfterwards(clone);
    await clone.attach(driver);
    await refused(clone.stage(driver), 'FAILED_PRECONDITION');
    await clone.leave(driver);
    expect(await allocated(site, image)).toBe(0);
  });

  it('is neither listed nor deleted as the volume whose records it carries', async () => {
    const origin = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const { image, id } = byHand('clone-listed');
    afterwards.push(await cloneOf(site, origin.image, image));
    const { entries } = await driver.controller.ListVolumes({});
    expect(entries.map((one) => one.volume?.volumeId)).toEqual([origin.id]);
    await refused(site.adopt(id, ext4(), driver).delete(), 'FAILED_PRECONDITION');
    expect(await site.images()).toContain('clone-listed');
  });
});

describe('NodeStage, features and mappers', () => {
  it.each(['krbd', 'nbd'])('asked for by name, %s maps or says why it cannot, with nothing left', async (mounter) => {
    const volume = await site.create(driver, ext4(), {
      sizeBytes: SMALL_BYTES,
      parameters: { mounter, imageFeatures: 'layering,exclusive-lock,journaling' },
    });
    await volume.attach(driver);
    const answer = await volume.stage(driver).catch((error: unknown) => error);
    if (typeof answer === 'string') return;
    await refused(volume.stage(driver), 'FAILED_PRECONDITION', new RegExp(`${mounter}|journaling`));
    expect(await allocated(site, volume.image)).toBe(0);
  });
});
