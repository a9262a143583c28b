/**
 * An image that carries somebody's advisory lock, as the in-tree plugin of old kubelets left it: refused before it is
 * mapped, where its first write would wait for ever.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { ImageRef } from '../../../src/rbd/port.js';
import { accessAs } from '../ceph.js';
import { lock, startLibrbd, watch } from '../rbd/librbd.js';
import { refused } from './calls.js';
import { ext4, ROX, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

const ID = 'kubelet_lock_magic_node1';
const small = { sizeBytes: SMALL_BYTES };
const soon = (): Deadline => Deadline.after(60_000);

let site: Site;
let one: Driver;

beforeAll(async () => {
  site = await Site.open('locked');
  one = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const imageOf = ({ image }: Volume): ImageRef => {
  const { pool, namespace } = site;
  return { access: accessAs('controller'), pool, namespace, image: path.basename(image) };
};
/** The lock's name, its owner, and the command that breaks it. */
const NAMED = new RegExp(
  `BERTH_IMAGE_LOCKED: .*"${ID}" of client\\.\\d+ at [\\d.]+:\\d+/\\d+; .*rbd lock rm \\S+ '${ID}' client\\.\\d+`,
);

describe('an image with an advisory lock of somebody else', () => {
  it('is refused at attach, and the holder record stays empty until the lock is broken', async () => {
    const volume = await site.create(one, ext4(), small);
    const unlock = await lock(imageOf(volume), ID);
    await refused(volume.attach(one), 'FAILED_PRECONDITION', NAMED);
    expect((await site.metadata(volume.image))[HOLDER_KEY]).toBeUndefined();
    await unlock();
    await volume.bring(one);
  });

  it('is refused at stage before anything is mapped or written, by the command that breaks it', async () => {
    const volume = await site.create(one, ext4(), small);
    await lock(imageOf(volume), ID);
    const said = await refused(volume.stage(one), 'FAILED_PRECONDITION', NAMED);
    expect((await findLoops()).filter(({ file }) => file.startsWith(`${one.stateDir}/`))).toEqual([]);
    expect(await readdir(path.join(one.stateDir, 'journal'))).toEqual([]);
    const [, spec = '', id = '', locker = ''] = /rbd lock rm (\S+) '(\S+)' (\S+)$/.exec(said) ?? [];
    await site.rbd('lock', 'rm', spec, id, locker);
    await volume.stage(one);
  });

  it('is named as in use first while its owner has it open: such a lock is not to be broken', async () => {
    const volume = await site.create(one, ext4(), small);
    const foreign = await watch(imageOf(volume));
    const unlock = await lock(imageOf(volume), ID);
    try {
      await refused(volume.attach(one), 'FAILED_PRECONDITION', /BERTH_VOLUME_IN_USE/);
    } finally {
      await foreign.stop();
    }
    await refused(volume.attach(one), 'FAILED_PRECONDITION', NAMED);
    await unlock();
  });

  it('does not grow, and does not go, and says why', async () => {
    const volume = await site.create(one, ext4(), small);
    const unlock = await lock(imageOf(volume), ID);
    await refused(volume.expand(2 * SMALL_BYTES), 'FAILED_PRECONDITION', NAMED);
    await refused(volume.delete(), 'FAILED_PRECONDITION', NAMED);
    await unlock();
  });

  it('is shown by berth trace', async () => {
    const volume = await site.create(one, ext4(), small);
    const unlock = await lock(imageOf(volume), ID);
    const args = [
      path.resolve('dist/src/main.js'),
      'trace',
      volume.id,
      '--clusters',
      site.clustersFile,
      '--state-dir',
      one.stateDir,
    ];
    // It ends with 2: somebody has to see to it.
    const shell = ['-c', '"$@"; [ $? -eq 2 ]', 'sh', process.execPath, ...args];
    const { stdout } = await run('sh', shell, { deadline: soon() });
    expect(stdout).toMatch(new RegExp(`^advisory lock +"${ID}" of client\\.\\d+ at `, 'm'));
    expect(stdout).toMatch(/^broken +image: ImageLocked: /m);
    await unlock();
  });

  it('is read all the same', async () => {
    const volume = await site.create(one, ext4(), small);
    await put(await volume.bring(one), 'to be read');
    await volume.leave(one);
    const unlock = await lock(imageOf(volume), ID);
    const readers = site.track(volume.id, ext4(ROX), one);
    expect(await get(await readers.bring(one))).toBe('to be read');
    await readers.leave(one);
    await unlock();
  });

  it('is not one that only its own writer has locked, as every client does while it writes', async () => {
    const volume = await site.create(one, ext4(), small);
    await put(await volume.bring(one), 'written');
    expect(await site.rbd('lock', 'ls', volume.image)).toContain('auto ');
    const port = startLibrbd();
    try {
      expect((await port.head(imageOf(volume), soon()))?.locks).toEqual([]);
    } finally {
      await port.close();
    }
  });
});
