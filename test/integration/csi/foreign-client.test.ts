/**
 * An image that somebody beside Berth has open: never attached and never staged beside him, for two kernels on one
 * filesystem destroy it.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { LoopMapper } from '../../../src/dev/mapper/loop-mapper.js';
import { run } from '../../../src/host/process/exec.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { ImageRef } from '../../../src/rbd/port.js';
import { accessAs, admin, cluster } from '../ceph.js';
import { watch } from '../rbd/librbd.js';
import { refused } from './calls.js';
import { block, ext4, ROX, RWX, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put, putSector } from './files.js';
import { contentOf } from './images.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

const small = { sizeBytes: SMALL_BYTES };
const soon = (): Deadline => Deadline.after(60_000);

let site: Site;
let one: Driver;
let two: Driver;

beforeAll(async () => {
  site = await Site.open('foreign');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const imageOf = ({ image }: Volume): ImageRef => {
  const { pool, namespace } = site;
  return { access: accessAs('controller'), pool, namespace, image: path.basename(image) };
};
const escaped = (text: string): RegExp => new RegExp(text.replace(/[.[\]]/g, '\\$&'));
const holdersOf = async ({ image }: Volume): Promise<string | undefined> => (await site.metadata(image))[HOLDER_KEY];

/** Nothing of the volume is on the node or in its image. */
async function isUntouched(volume: Volume, on: Driver, content: string): Promise<void> {
  expect(await mountAt(await on.stagingPath(volume.id))).toBeUndefined();
  expect((await findLoops()).filter(({ file }) => file.startsWith(`${on.stateDir}/`))).toEqual([]);
  expect(await readdir(path.join(on.stateDir, 'journal'))).toEqual([]);
  expect(await contentOf(site, volume.image)).toBe(content);
}

describe.each([
  ['ext4', ext4()],
  ['a raw block volume', block()],
])('a foreign client that has %s open', (_what, capability) => {
  it('is refused at attach by its address, and the record stays empty until it has gone', async () => {
    const volume = await site.create(one, capability, small);
    const foreign = await watch(imageOf(volume));
    try {
      await refused(volume.attach(one), 'FAILED_PRECONDITION', /BERTH_VOLUME_IN_USE: .*client\.\d+ at/);
      await refused(volume.attach(two), 'FAILED_PRECONDITION', escaped(`at ${foreign.address}`));
      expect(await holdersOf(volume)).toBeUndefined();
    } finally {
      await foreign.stop();
    }
    await volume.bring(two);
  });

  it('is refused at stage where nobody attaches: nothing is written or mapped, and no record is left', async () => {
    const volume = await site.create(one, capability, small);
    const content = await contentOf(site, volume.image);
    const foreign = await watch(imageOf(volume));
    try {
      await refused(volume.stage(one), 'FAILED_PRECONDITION', escaped(`at ${foreign.address}`));
      expect(await holdersOf(volume)).toBeUndefined();
      await isUntouched(volume, one, content);
    } finally {
      await foreign.stop();
    }
    await volume.stage(one);
    await volume.publish(one);
  });

  it('is refused at stage after an attach, which stays', async () => {
    const volume = await site.create(one, capability, small);
    const content = await contentOf(site, volume.image);
    await volume.attach(one);
    const foreign = await watch(imageOf(volume));
    try {
      await refused(volume.stage(one), 'FAILED_PRECONDITION', escaped(`at ${foreign.address}`));
      // As often as it is asked for; and the attach again is a success, for it changes nothing.
      await volume.attach(one);
      expect(await holdersOf(volume)).toContain('"state":"granted"');
      await isUntouched(volume, one, content);
    } finally {
      await foreign.stop();
    }
    await volume.stage(one);
  });
});

describe('a foreign client', () => {
  it('that has the filesystem mounted and writes keeps every byte', async () => {
    const volume = await site.create(one, ext4(), small);
    await put(await volume.bring(one), 'from before', 'old');
    await volume.leave(one);
    const { fsid } = cluster();
    const mapper = new LoopMapper({ exec: run, stateDir: path.join(site.directory, 'by-hand') });
    const features = ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'];
    const image = { ...imageOf(volume), access: accessAs('node') };
    const mapping = await mapper.map(
      { image, fsid, readOnly: false, features, options: '', ioTimeoutSeconds: 0 },
      soon(),
    );
    const target = path.join(site.directory, 'mounted-by-hand');
    await mkdir(target);
    try {
      await run('mount', [mapping.device, target], { deadline: soon() });
      try {
        await put(target, 'written beside', 'new');
        await refused(volume.attach(one), 'FAILED_PRECONDITION', /BERTH_VOLUME_IN_USE/);
        await refused(volume.stage(one), 'FAILED_PRECONDITION', /BERTH_VOLUME_IN_USE/);
        await put(target, 'and after', 'newer');
      } finally {
        await run('umount', [target], { deadline: soon() });
      }
    } finally {
      await mapper.unmap(mapping, soon());
    }
    const pod = await volume.bring(two);
    expect(await Promise.all(['old', 'new', 'newer'].map((name) => get(pod, name)))).toEqual([
      ...['from before', 'written beside', 'and after'],
    ]);
  });

  it('does not keep a reader away', async () => {
    const volume = await site.create(one, ext4(), small);
    await put(await volume.bring(one), 'to be read');
    await volume.leave(one);
    const readers = site.track(volume.id, ext4(ROX), one);
    const foreign = await watch(imageOf(volume));
    try {
      expect(await get(await readers.bring(two))).toBe('to be read');
      await readers.leave(two);
    } finally {
      await foreign.stop();
    }
  });

  it('that is of this driver’s earlier life is shut out of the cluster, and the stage goes on at once', async () => {
    const volume = await site.create(one, ext4(), small);
    await volume.attach(one);
    const former = await watch(imageOf(volume));
    try {
      const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
      const state = { version: 1, bootId, clients: [former.address] };
      await writeFile(path.join(one.stateDir, 'clients.json'), JSON.stringify(state));
      expect(await one.stop('SIGKILL')).toBe('SIGKILL');
      await one.start();
      await volume.stage(one);
      expect(await admin().ceph(['osd', 'blocklist', 'ls'], soon())).toContain(former.address);
    } finally {
      await former.stop();
    }
  });

  it('is refused beside nodes that write together, who never refuse one another', async () => {
    const volume = await site.create(one, block(RWX), small);
    await putSector(await volume.bring(one), 0, 'one');
    await putSector(await volume.bring(two), 4096, 'two');
    await volume.leave(two);
    const foreign = await watchBeside(volume);
    try {
      await refused(volume.attach(two), 'FAILED_PRECONDITION', /BERTH_VOLUME_IN_USE/);
      // What is staged already stays so, and says so again.
      await volume.stage(one);
    } finally {
      await foreign.stop();
    }
    await volume.bring(two);
  });
});

/** As {@link watch}, of an image that others watch already. */
async function watchBeside(volume: Volume): Promise<{ stop(): Promise<void> }> {
  const count = async (): Promise<number> =>
    (JSON.parse(await site.rbd('status', volume.image, '--format', 'json')) as { watchers: unknown[] }).watchers.length;
  const before = await count();
  const foreign = await watch(imageOf(volume));
  for (const deadline = soon(); (await count()) <= before; ) {
    if (deadline.expired) throw new Error('it did not begin to watch');
  }
  return foreign;
}
