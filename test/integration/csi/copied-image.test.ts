/**
 * Records that came with a copy speak of another image: whoever held that one does not hold the copy, and what was
 * never formatted there may hold data here. A renamed image is the same one.
 */
import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { FILESYSTEM_KEY } from '../../../src/volume/image/provenance.js';
import { refused } from './calls.js';
import { ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { allocated, contentOf } from './images.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

const small = { sizeBytes: SMALL_BYTES };

let site: Site;
let one: Driver;
let two: Driver;
/** What a test prepared by hand, undone in reverse order. */
const afterwards: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  site = await Site.open('copied');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
});
afterEach(async () => {
  await site.endVolumes();
  for (const step of afterwards.splice(0).toReversed()) await step();
});
afterAll(() => site.close());

const idOf = async (image: string): Promise<string> =>
  (JSON.parse(await site.rbd('info', image, '--format', 'json')) as { id: string }).id;
const recordOf = async (image: string): Promise<Record<string, unknown> | undefined> => {
  const text = (await site.metadata(image))[HOLDER_KEY];
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
};

/** `rbd cp`, with the image's metadata, and the copy moved to its name; the name of the original then. */
async function replaceByCopy({ image }: Volume): Promise<string> {
  const old = `${image}-old`;
  await site.rbd('cp', '--no-progress', image, `${image}-copy`);
  await site.rbd('mv', image, old);
  await site.rbd('mv', `${image}-copy`, image);
  afterwards.push(() => site.rbd('rm', '--no-progress', old));
  return old;
}

describe('the holder record', () => {
  it('names its image by id and cluster', async () => {
    const volume = await site.create(one, ext4(), small);
    await volume.attach(one);
    const fsid = (await site.rbd('info', volume.image)) && (await recordOf(volume.image))?.['fsid'];
    expect(await recordOf(volume.image)).toMatchObject({
      image: volume.image,
      imageId: await idOf(volume.image),
      fsid,
    });
    expect(fsid).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('of an image that a copy has replaced under its name holds nobody there: another node attaches', async () => {
    const volume = await site.create(one, ext4(), small);
    await put(await volume.bring(one), 'copied');
    await volume.leave(one);
    await volume.attach(one);
    const old = await replaceByCopy(volume);
    expect(await recordOf(volume.image)).toMatchObject({ imageId: await idOf(old) });
    expect(await get(await volume.bring(two))).toBe('copied');
    expect(await recordOf(old)).toMatchObject({ holders: [{ node: one.nodeId }] });
  });

  it('of another cluster, imported or mirrored under the same name and id, holds nobody', async () => {
    const volume = await site.create(one, ext4(), small);
    await volume.attach(one);
    const mirrored = { ...(await recordOf(volume.image)), fsid: '00000000-0000-4000-8000-000000000000' };
    await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, JSON.stringify(mirrored));
    await volume.attach(two);
  });

  it('of a release that wrote no ids is believed, and has them after its next change', async () => {
    const volume = await site.create(one, ext4(), small);
    await volume.attach(one);
    const { imageId, fsid, ...before } = (await recordOf(volume.image))!;
    await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, JSON.stringify(before));
    await refused(volume.attach(two), 'FAILED_PRECONDITION', /BERTH_VOLUME_HELD/);
    await volume.stage(one);
    expect(await recordOf(volume.image)).toMatchObject({ imageId, fsid });
  });
});

describe('an image that is replaced by a copy under its stage', () => {
  it('is let go of by the unstage, which writes nothing into the new image', async () => {
    const volume = await site.create(one, ext4(), small);
    await put(await volume.bring(one), 'before');
    const old = await replaceByCopy(volume);
    const copied = (await site.metadata(volume.image))[HOLDER_KEY];
    expect(copied).toContain('"staged"');
    await volume.unpublish(one);
    await volume.unstage(one);
    expect((await site.metadata(volume.image))[HOLDER_KEY]).toBe(copied);
    expect(await recordOf(old)).toMatchObject({ holders: [{ node: one.nodeId, state: 'released' }] });
  });

  it('keeps its pods, which the next stage is told; the stage after them takes the new image', async () => {
    const volume = await site.create(one, ext4(), small);
    const target = await volume.bring(one);
    await put(target, 'before');
    const old = await replaceByCopy(volume);
    await volume.attach(one);
    await put(target, 'only in the old one', 'later');
    await refused(volume.stage(one), 'ABORTED', /BERTH_IMAGE_REPLACED/);
    await refused(volume.expandOn(one, SMALL_BYTES, target), 'ABORTED', /BERTH_IMAGE_REPLACED/);
    expect(await get(target, 'later')).toBe('only in the old one');
    await volume.unpublish(one);
    await volume.stage(one);
    expect(await readdir(await volume.publish(one))).not.toContain('later');
    expect(await recordOf(volume.image)).toMatchObject({
      imageId: await idOf(volume.image),
      holders: [{ state: 'staged' }],
    });
    expect(await recordOf(old)).toMatchObject({ imageId: await idOf(old), holders: [{ state: 'released' }] });
  });
});

describe('an image that is renamed under its stage', () => {
  it('stays with its node under the new name, and leaves it by the old one', async () => {
    const volume = await site.create(one, ext4(), small);
    await put(await volume.bring(one), 'renamed');
    const renamed = `${volume.image}-renamed`;
    await site.rbd('mv', volume.image, renamed);
    const moved = site.adopt(`dev/${renamed}`, ext4(), one);
    await refused(moved.attach(two), 'FAILED_PRECONDITION', /BERTH_VOLUME_HELD/);
    await moved.attach(one);
    await refused(moved.stage(one), 'FAILED_PRECONDITION', new RegExp(`the same image as ${volume.id}`));
    await volume.unpublish(one);
    await volume.unstage(one);
    await moved.detach(one);
    expect(await get(await moved.bring(two))).toBe('renamed');
    await moved.leave(two);
    await site.rbd('mv', renamed, volume.image);
  });
});

describe('the provenance', () => {
  it('of a copy that was moved to the name of a volume that was never formatted permits no mkfs', async () => {
    const volume = await site.create(one, ext4(), small);
    await replaceByCopy(volume);
    expect((await site.metadata(volume.image))[FILESYSTEM_KEY]).toContain('"never"');
    const before = await contentOf(site, volume.image);
    await volume.attach(one);
    await refused(volume.stage(one), 'FAILED_PRECONDITION', /BERTH_FORMAT_REFUSED/);
    expect(await contentOf(site, volume.image)).toBe(before);
    expect(await allocated(site, volume.image)).toBe(0);
  });

  it('of a renamed volume is its own: never formatted under its old name, it is formatted under the new', async () => {
    const volume = await site.create(one, ext4(), small);
    const renamed = `${volume.image}-renamed`;
    await site.rbd('mv', volume.image, renamed);
    const moved = site.adopt(`dev/${renamed}`, ext4(), one);
    afterwards.push(async () => {
      await moved.leave(one);
      await site.rbd('rm', '--no-progress', renamed);
    });
    await put(await moved.bring(one), 'in the renamed one');
  });
});
