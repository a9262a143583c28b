/**
 * What the kubelet staged and forgot (it was restarted between stage and publish, the pod went meanwhile): a detach
 * ends by itself, what is at rest goes, and a person can take it down. What a pod uses stays.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY, type HolderRecord } from '../../../src/attachment/holder-record.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { refused } from '../csi/calls.js';
import { block, ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { Kubelet } from './kubelet.js';
import { devicesOf, journalOf, rounds, until } from './power.js';

const small = { sizeBytes: SMALL_BYTES };
const PROGRAM = path.resolve('dist/src/main.js');
const TAKEN_DOWN = 'staged here, used by no pod, not unstaged, and wanted elsewhere: it is taken down';

let site: Site;
/** Reads every second what is wanted; nothing is at rest so soon. */
let one: Driver;
let two: Driver;
/** What is left for a second counts as at rest. */
let tidy: Driver;
let kubelet: Kubelet;

beforeAll(async () => {
  site = await Site.open('forgot');
  kubelet = new Kubelet(await site.kubelet());
  const often = ['--reconcile-interval', '1', '--kubelet-dir', kubelet.root];
  [one, two, tidy] = await Promise.all([
    site.driver('node-one', { arguments: often }).start(),
    site.driver('node-two', { arguments: often }).start(),
    site.driver('tidy', { arguments: [...often, '--leftover-age', '1'] }).start(),
  ]);
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const holderOf = async ({ image }: Volume): Promise<HolderRecord['holders'][0] | undefined> => {
  const text = (await site.metadata(image))[HOLDER_KEY];
  return text === undefined ? undefined : (JSON.parse(text) as HolderRecord).holders[0];
};
const isClean = async (driver: Driver): Promise<boolean> =>
  (await journalOf(driver)).length === 0 && (await devicesOf(driver)).length === 0;
/** As an attacher does: again and again. */
const detached = (volume: Volume, from: Driver): Promise<boolean> =>
  volume.detach(from).then(
    () => true,
    () => false,
  );
const unstage = (
  driver: Pick<Driver, 'stateDir' | 'socket'>,
  handle: string,
): Promise<{ readonly code: number; readonly said: string }> =>
  new Promise((resolve) => {
    const args = [PROGRAM, 'unstage', handle, '--state-dir', driver.stateDir, '--endpoint', `unix://${driver.socket}`];
    execFile(process.execPath, args, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
    );
  });

describe('ControllerUnpublish, the node lives', () => {
  it.each([
    ['staged and never published', ext4(), () => Promise.resolve()],
    ['raw, staged and never published', block(), () => Promise.resolve()],
    [
      'published, unpublished and never unstaged',
      ext4(),
      async (volume: Volume) => {
        await put(await volume.publish(one), 'of the pod that is gone');
        await volume.unpublish(one);
      },
    ],
  ])('%s: the node takes it down, and another one gets it', async (_what, capability, use) => {
    const volume = await site.create(one, capability, small);
    await volume.attach(one);
    await volume.stage(one);
    await use(volume);
    await refused(volume.detach(one), 'ABORTED', /BERTH_DETACH_UNPROVEN/);
    await expect.poll(() => detached(volume, one), { timeout: 60_000, interval: 500 }).toBe(true);
    expect(await one.log()).toContain(TAKEN_DOWN);
    expect(await isClean(one)).toBe(true);
    await volume.bring(two);
  });

  it('with a pod on it: it stays, and what was wanted ends with the next attach', async () => {
    const volume = await site.create(one, ext4(), small);
    const target = await volume.bring(one);
    await refused(volume.detach(one), 'ABORTED', /BERTH_DETACH_UNPROVEN/);
    expect(await holderOf(volume)).toMatchObject({ state: 'staged', detachWanted: expect.any(String) as string });
    await rounds(one, 2);
    await put(target, 'still here');
    expect(await get(target)).toBe('still here');
    const { status } = await one.controller.ControllerGetVolume({ volumeId: volume.id });
    expect(status!.volumeCondition!.message).toMatch(/wanted elsewhere since/);
    await volume.attach(one);
    expect((await holderOf(volume))!.detachWanted).toBeUndefined();
    await volume.unpublish(one);
    await rounds(one, 2);
    expect(await mountAt(await one.stagingPath(volume.id))).toBeDefined();
  });
});

describe('reconciliation', () => {
  it('a stage that no pod has used for long and no directory names: taken down; one of a pod stays', async () => {
    const [volume, used] = [await site.create(tidy, ext4(), small), await site.create(tidy, ext4(), small)];
    let targetPath = '';
    for (const each of [volume, used]) {
      await each.attach(tidy);
      const stagingTargetPath = await kubelet.stage(each.id);
      // Before the stage: what no pod's directory names counts as forgotten here after a second.
      if (each === used) targetPath = await kubelet.publish('pod', 'pv', used.id);
      await each.stage(tidy, { stagingTargetPath });
    }
    const stagingTargetPath = path.join(kubelet.stageDirectory(used.id), 'globalmount');
    await used.publish(tidy, 'pod', { stagingTargetPath, targetPath });
    await until('taken down', tidy, async () => (await journalOf(tidy)).length === 1);
    expect((await journalOf(tidy))[0]!.volume).toBe(used.id);
    expect((await holderOf(volume))?.state).toBe('released');
    await put(targetPath, 'in use');
    await used.unpublish(tidy, 'pod');
    await tidy.node.NodeUnpublishVolume({ volumeId: used.id, targetPath });
    await tidy.node.NodeUnstageVolume({ volumeId: used.id, stagingTargetPath });
  });
});

describe('berth unstage', () => {
  it('is refused while a pod uses the volume, naming it; then the volume leaves the node', async () => {
    const volume = await site.create(one, ext4(), small);
    await volume.bring(one, 'pod');
    const inUse = await unstage(one, volume.id);
    expect(inUse).toMatchObject({ code: 1, said: expect.stringMatching(/BERTH_VOLUME_IN_USE/) as string });
    expect(inUse.said).toContain(await one.targetPath(volume.id, 'pod'));
    await volume.unpublish(one, 'pod');
    expect(await unstage(one, volume.id)).toMatchObject({
      code: 0,
      said: expect.stringContaining(`${volume.id} is unstaged from`) as string,
    });
    expect(await isClean(one)).toBe(true);
    expect((await holderOf(volume))?.state).toBe('released');
    await volume.detach(one);
  });

  it('says what it does not know, and where no driver answers', async () => {
    const none = await unstage(one, 'dev/hyper/nothing');
    expect(none).toMatchObject({ code: 1, said: expect.stringMatching(/BERTH_VOLUME_NOT_AT_PATH/) as string });
    const volume = await site.create(one, ext4(), small);
    await volume.attach(one);
    await volume.stage(one);
    const { socket, stateDir } = one;
    const silent = await unstage({ stateDir, socket: `${socket}-nobody` }, volume.id);
    expect(silent).toMatchObject({ code: 1, said: expect.stringMatching(/BERTH_NOT_READY/) as string });
    expect(await mountAt(await one.stagingPath(volume.id))).toBeDefined();
  });
});
