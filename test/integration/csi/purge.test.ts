/**
 * A delete answers at once, whatever is in the image, and its data goes behind it: after crashes at every step, when
 * snapshots and clones have gone, and by whichever controller is there.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { DeleteClaims } from '../../../src/attachment/delete-claims.js';
import { Deadline } from '../../../src/model/deadline.js';
import { createLog } from '../../../src/observe/log.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import { InterruptedCreates } from '../../../src/volume/controller/create/interrupted-create.js';
import { deleteVolume } from '../../../src/volume/controller/delete/delete-volume.js';
import { Operations } from '../../../src/volume/operation/operations.js';
import { CONTROLLER_STEPS, type ControllerSteps } from '../../../src/volume/operation/steps.js';
import { sampled } from '../../crash/sampled.js';
import { accessAs, admin } from '../ceph.js';
import { refused } from './calls.js';
import { block, ext4, MiB, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { PurgingController } from './purging-controller.js';
import { startLibrbd } from '../rbd/librbd.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

/** Something hung if a driver that is to die has not by then, ms. */
const DEATH_MS = 30_000;
/** For what waits until Ceph has forgotten a client, or a lease has lapsed, several times over. */
const PATIENT = { timeout: 300_000 };
const small = { sizeBytes: SMALL_BYTES };
let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('purge');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

/** Objects that hold data of any image, in this place. */
async function objects(): Promise<number> {
  const where = ['--pool', site.pool, '--namespace', site.namespace];
  const stdout = await admin().rados([...where, 'ls'], Deadline.after(20_000));
  return stdout.split('\n').filter((name) => name.startsWith('rbd_data.')).length;
}

const write = (volume: Volume, total: string, size = '4096'): Promise<string> =>
  site.rbd('bench', '--io-type', 'write', '--io-size', size, '--io-total', total, volume.image);
const nameOf = (volume: Volume): string => volume.image.split('/').at(-1)!.replace('berth-', '');

it('DeleteVolume, a volume full of data: its name is free at once, and every object goes', async () => {
  const full = await site.create(driver, block(), { sizeBytes: 16 * MiB, parameters: { objectSize: '4096' } });
  await write(full, '16M');
  expect(await objects()).toBe(4_096);
  await full.delete();
  expect(await site.images()).toEqual([]);
  const again = await site.create(driver, block(), { ...small, name: nameOf(full) });
  expect(again.id).toBe(full.id);
  await site.purged();
  await expect.poll(objects, { timeout: 60_000 }).toBe(0);
  expect(await site.images()).toHaveLength(1);
});

it('DeleteVolume, the volume has a snapshot and that a clone: both stay, the data goes with the last', async () => {
  const volume = await site.create(driver, block(), small);
  await write(volume, '4M');
  await site.rbd('snap', 'create', '--no-progress', `${volume.image}@kept`);
  const info = JSON.parse(await site.rbd('info', volume.image, '--format', 'json')) as { id: string };
  await volume.delete();
  expect(await site.images()).toEqual([]);
  const aside = `${site.pool}/${site.namespace}/berth-deleted-${info.id}`;
  const clone = `${site.pool}/${site.namespace}/clone`;
  await site.rbd('clone', '--rbd-default-clone-format', '2', `${aside}@kept`, clone);
  await site.rbd('snap', 'rm', '--no-progress', `${aside}@kept`);
  const purging = new PurgingController(site.clustersFile);
  try {
    await purging.round();
    expect(await site.deleted()).toHaveLength(1);
    await site.rbd('rm', '--no-progress', clone);
    purging.purges.lookAgain('dev', info.id);
    await purging.purges.idle();
    expect(await site.deleted()).toEqual([]);
    expect(await objects()).toBe(0);
  } finally {
    await purging.close();
  }
});

it('DeleteVolume, the removal of its snapshot was cut short: the image goes all the same', async () => {
  const volume = await site.create(driver, block(), small);
  await site.rbd('snap', 'create', '--no-progress', `${volume.image}@half-gone`);
  const cut = JSON.parse(await site.rbd('snap', 'ls', volume.image, '--format', 'json')) as { id: number }[];
  const { id } = JSON.parse(await site.rbd('info', volume.image, '--format', 'json')) as { id: string };
  // librbd's own first step of a removal, after which its client died.
  const rbd = startLibrbd();
  const { pool, namespace } = site;
  const at = { access: accessAs('controller'), pool, namespace };
  await rbd.trashSnapshot(at, id, BigInt(cut[0]!.id), Deadline.after(20_000)).finally(() => rbd.close());
  await volume.delete();
  await site.purged();
});

it('DeleteVolume, only the controller’s own purge worker has the image open: it is moved aside at once', async () => {
  const volume = await site.create(driver, block(), small);
  const { id } = JSON.parse(await site.rbd('info', volume.image, '--format', 'json')) as { id: string };
  const { pool, namespace } = site;
  const at = { access: accessAs('controller'), pool, namespace, image: volume.image.split('/').at(-1)! };
  const [rbd, longWork] = [startLibrbd(), startLibrbd()];
  const [log, now, soon] = [createLog('silent'), () => new Date(), () => Deadline.after(60_000)];
  const [deleteClaims, interruptedCreates] = [new DeleteClaims(rbd, now), new InterruptedCreates(rbd, log)];
  const parts = {
    rbd,
    longWork,
    clusters: new Clusters(site.clustersFile),
    deleteClaims,
    interruptedCreates,
    log,
    now,
  };
  const control = { operations: new Operations<ControllerSteps>(), purges: { begin: () => undefined } };
  try {
    // A round of the monitors, as long as which it has the image open for writing.
    const taken = longWork.createSnapshot(at, 'for-a-moment', soon());
    await expect.poll(() => rbd.watchers(at, soon()), { interval: 1 }).not.toEqual([]);
    await deleteVolume({ ...parts, ...control }, volume.id, undefined, soon());
    await longWork.removeSnapshotById(at, id, await taken, soon());
  } finally {
    await Promise.all([rbd.close(), longWork.close()]);
  }
  expect(await site.images()).not.toContain(at.image);
  const purging = new PurgingController(site.clustersFile);
  try {
    await purging.round();
    await purging.purges.idle();
  } finally {
    await purging.close();
  }
  expect(await site.deleted()).toEqual([]);
});

/** Those that a delete of a whole volume comes to. */
const STEPS = CONTROLLER_STEPS.delete.filter((step) => !['give claim back', 'clear away unfinished'].includes(step));

it.each(sampled([...STEPS, 'answer']))(
  'DeleteVolume, its controller is killed at "%s": nobody gets the volume back, the repeated delete ends it',
  async (step) => {
    const dying = await site
      .driver(`dies-${step.replaceAll(' ', '-')}`, { services: 'identity,controller' })
      .start('ready', { BERTH_CRASH_AT: `delete:${step}` });
    const volume = await site.create(driver, ext4(), small);
    const call = dying.controller.DeleteVolume({ volumeId: volume.id, secrets: site.secrets() });
    await expect(call).rejects.toThrow();
    expect(await dying.death(DEATH_MS)).toBe('SIGKILL');
    if (step !== 'look' && step !== 'claim' && step !== 'answer') {
      expect((await site.metadata(volume.image))[HOLDER_KEY]).toContain('deleting');
      await refused(volume.attach(driver), 'ABORTED', /BERTH_VOLUME_DELETING/);
    }
    await volume.delete();
    await volume.delete();
    expect(await site.images()).toEqual([]);
  },
);

it(
  'a purge whose controller is killed is gone on with by another one (waits 30 s for its lease)',
  PATIENT,
  async () => {
    const services = { services: 'identity,controller', arguments: ['--purges', '1'] };
    const dying = await site.driver('dies-purging', services).start();
    const full = await site.create(driver, block(), { sizeBytes: 8 * MiB, parameters: { objectSize: '4096' } });
    await write(full, '8M');
    await dying.controller.DeleteVolume({ volumeId: full.id, secrets: site.secrets() });
    await expect.poll(objects, { timeout: 60_000, interval: 20 }).toBeLessThan(2_048);
    await dying.stop('SIGKILL');
    expect(await objects()).toBeGreaterThan(0);
    await site.driver('comes-later', services).start();
    await expect.poll(objects, { timeout: 240_000, interval: 500 }).toBe(0);
    await site.purged();
  },
);
