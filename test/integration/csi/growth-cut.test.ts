/**
 * Growth that is cut short: by kills of tool and driver at random moments of its work, by a tool that gives up, and on
 * a node that does not come back to it. Nothing of the volume is lost, and the next stage succeeds.
 */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { asGuest, recordAt } from '../../kata/host.js';
import { refused } from './calls.js';
import { ext4, MiB, RWOP, xfs } from './capabilities.js';
import type { Driver } from './driver.js';
import { df, get, hashOf, payload, put } from './files.js';
import { Site } from './site.js';
import { ToolsToCut } from './tools-to-cut.js';
import type { Volume } from './volume.js';

let site: Site;
let one: Driver;
let two: Driver;
let tools: ToolsToCut;

/** 10 by `npm run test:full`. */
const KILLS = Number(process.env['BERTH_GROWTH_KILLS'] ?? 1);
/** What the moments are drawn from. */
const SEED = Number(process.env['BERTH_GROWTH_SEED'] ?? Date.now() % 1_000_000);
const GiB = 1024 * MiB;
/** Layouts of mke2fs that move data when they grow, as images of before have them. */
const OLD = { mkfsOptions: '-b 1024 -O resize_inode' };
/** resize2fs 1.47 gives up on it half way. */
const HOPELESS = { mkfsOptions: '-b 4096 -O resize_inode' };

const start = (driver: Driver): Promise<Driver> => driver.start('ready', tools.environment);

beforeAll(async () => {
  site = await Site.open('grow-cut');
  tools = await ToolsToCut.make(path.join(site.directory, 'tools'));
  [one, two] = await Promise.all([start(site.driver('node-one')), start(site.driver('node-two'))]);
});
afterEach(async () => {
  await tools.cutNoMore();
  if ((await one.death(0)) !== 'alive') await start(one);
  await site.endVolumes();
});
afterAll(() => site.close());

/** Stage and publish until both succeed, as a kubelet does, by a new driver where this one was killed. */
async function bringAtLast(volume: Volume): Promise<string> {
  let target = '';
  const bring = async (): Promise<string> => {
    if ((await one.death(0)) !== 'alive') await start(one);
    await volume.stage(one);
    target = await volume.publish(one);
    return 'published';
  };
  await expect.poll(() => bring().catch(String)).toBe('published');
  return target;
}

async function shell(script: string, directory: string): Promise<string> {
  return (await run('sh', ['-c', script, directory], { deadline: Deadline.after(60_000) })).stdout;
}
const fill = (directory: string): Promise<string> =>
  shell('for i in $(seq 300); do head -c 100000 /dev/urandom >"$0/f$i"; done', directory);
const sumOf = (directory: string): Promise<string> => shell('cd "$0" && cat $(ls | grep ^f) | sha256sum', directory);

/** The moments of kills, each a share of the tool's whole work and a little more, by a generator of Lehmer's. */
function* shares(seed: number): Generator<number, never> {
  for (let state = (seed % 2_147_483_646) + 1; ; ) {
    state = (state * 48_271) % 2_147_483_647;
    yield (state / 2_147_483_647) * 1.2;
  }
}

describe.each([
  ['an ext4 of a guest', ext4(RWOP), { sandbox: 'kata', ...OLD }, 64 * MiB],
  ['an ext4 of the host', ext4(), OLD, 64 * MiB],
  ['an xfs of a guest', xfs(RWOP), { sandbox: 'kata', allowHostMount: 'true' }, 320 * MiB],
  ['an xfs of the host', xfs(), {}, 320 * MiB],
])('NodeStage of what is to grow, %s', (_, capability, parameters, sizeBytes) => {
  const within = async <T>(target: string, use: (directory: string) => Promise<T>): Promise<T> => {
    if (!('sandbox' in parameters)) return use(target);
    const { device } = await recordAt(one.kataRecords, target);
    return asGuest({ device, fsType: capability.mount!.fsType! }, use);
  };

  const title = `tool or driver killed ${KILLS} times (seed ${SEED}): contents are equal, and it has grown at the next`;
  it(title, async () => {
    const volume = await site.create(one, capability, { sizeBytes, parameters });
    const target = await volume.bring(one);
    await within(target, fill);
    const sum = await within(target, sumOf);
    const share = shares(SEED);
    for (let growth = 1; growth <= KILLS + 1; growth += 1) {
      await volume.leave(one);
      await volume.expand(growth * GiB);
      await volume.attach(one);
      // The first shows how much work it is.
      const isCut = growth > 1;
      const bytes = Math.ceil((await tools.movedBytes()) * share.next().value);
      const [victim, other] = SEED % 2 === growth % 2 ? (['tool', 'driver'] as const) : (['driver', 'tool'] as const);
      if (isCut) await tools.cutOnce(victim, bytes);
      await bringAtLast(volume);
      if (isCut) await expect.poll(() => tools.hasFired()).toBe(true);
      await tools.cutNoMore();
      const when = `seed ${SEED}, growth ${growth}, ${victim} and not ${other} killed at byte ${bytes}`;
      let again = await bringAtLast(volume);
      expect(await within(again, sumOf), when).toBe(sum);
      const isGrown = async () => Number((await within(again, df)).size) > growth * GiB * 0.8;
      if (await isGrown()) continue;
      // What grows mounted is mounted as it is where its tool ended, and grows at the next stage.
      expect([capability.mount?.fsType, victim], when).toEqual(['xfs', 'tool']);
      await volume.leave(one);
      again = await volume.bring(one);
      expect(await within(again, sumOf), when).toBe(sum);
      expect(await isGrown(), when).toBe(true);
    }
    await volume.leave(one);
    expect(await site.rbd('snap', 'ls', volume.image)).toBe('');
    expect(await site.metadata(volume.image)).not.toHaveProperty('berth.dev/growth');
  });
});

describe('NodeStage of what is to grow', () => {
  const kept = async (parameters: Readonly<Record<string, string>>) => {
    const volume = await site.create(one, ext4(), { sizeBytes: 64 * MiB, parameters });
    const { text, hash } = payload(2 * MiB, 'kept');
    await put(await volume.bring(one), text);
    await volume.leave(one);
    return { volume, hash };
  };

  it('resize2fs gives up half way: the next stage mounts what was before, and does not try again', async () => {
    const { volume, hash } = await kept(HOPELESS);
    await volume.expand(65 * GiB);
    await volume.attach(one);
    await refused(volume.stage(one), 'ABORTED', /GROWTH_UNFINISHED.*next stage/);
    for (let times = 0; times < 2; times += 1) {
      const target = await volume.bring(one);
      expect(hashOf(await get(target))).toBe(hash);
      expect(Number((await df(target)).size)).toBeLessThan(64 * MiB);
      await volume.leave(one);
    }
    expect(await site.rbd('snap', 'ls', volume.image)).toBe('');
    await expect.poll(() => one.log()).toMatch(new RegExp(`GROWTH_GIVEN_UP: the filesystem of volume ${volume.id} is`));
    // A person's word for it to be tried again.
    await site.rbd('image-meta', 'remove', volume.image, 'berth.dev/growth');
    await volume.attach(one);
    await refused(volume.stage(one), 'ABORTED', /GROWTH_UNFINISHED/);
  });

  it('cut three times on the way to one size: given up by name, as it was before; another size is tried', async () => {
    const { volume, hash } = await kept(OLD);
    await volume.expand(GiB);
    await tools.cutAlways('tool', 0);
    await volume.attach(one);
    for (let times = 0; times < 3; times += 1) await refused(volume.stage(one), 'ABORTED', /GROWTH_UNFINISHED/);
    let target = await volume.bring(one);
    await tools.cutNoMore();
    await expect.poll(() => one.log()).toMatch(new RegExp(`GROWTH_GIVEN_UP: the filesystem of volume ${volume.id} is`));
    expect([hashOf(await get(target)), Number((await df(target)).size) < 64 * MiB]).toEqual([hash, true]);
    await volume.leave(one);
    await volume.expand(2 * GiB);
    target = await volume.bring(one);
    expect(hashOf(await get(target))).toBe(hash);
    expect(Number((await df(target)).size)).toBeGreaterThan(1.5 * GiB);
  });

  it('cut short on one node: another one undoes it, and grows it', async () => {
    const { volume, hash } = await kept(OLD);
    await volume.expand(GiB);
    await tools.cutAlways('tool', 0);
    await volume.attach(one);
    await refused(volume.stage(one), 'ABORTED', /GROWTH_UNFINISHED/);
    await refused(volume.expand(2 * GiB), 'ABORTED', /GROWTH_UNFINISHED/);
    await volume.leave(one);
    await tools.cutNoMore();
    const target = await volume.bring(two);
    expect(hashOf(await get(target))).toBe(hash);
    expect(Number((await df(target)).size)).toBeGreaterThan(GiB * 0.8);
  });

  it('cut short, and mounted by somebody since: refused in words, and usable as a person has decided', async () => {
    const { volume, hash } = await kept(OLD);
    await volume.expand(GiB);
    await tools.cutAlways('tool', 0);
    await volume.attach(one);
    await refused(volume.stage(one), 'ABORTED', /GROWTH_UNFINISHED/);
    await tools.cutNoMore();
    const record = (await site.metadata(volume.image))['berth.dev/growth']!;
    const snapshot = /berth-growth-[^"]+/.exec(record)![0];
    await site.rbd('image-meta', 'set', volume.image, 'berth.dev/growth', record.replace(/"mounts":"/, '$&9'));
    await refused(volume.stage(one), 'FAILED_PRECONDITION', /GROWTH_TOUCHED/);
    await site.rbd('snap', 'rollback', '--no-progress', `${volume.image}@${snapshot}`);
    await site.rbd('snap', 'rm', '--no-progress', `${volume.image}@${snapshot}`);
    await site.rbd('image-meta', 'remove', volume.image, 'berth.dev/growth');
    const target = await volume.bring(one);
    expect(hashOf(await get(target))).toBe(hash);
  });

  it('cut short, and deleted then: nothing of it stays', async () => {
    const { volume } = await kept(OLD);
    await volume.expand(GiB);
    await tools.cutAlways('tool', 0);
    await volume.attach(one);
    await refused(volume.stage(one), 'ABORTED', /GROWTH_UNFINISHED/);
    await volume.leave(one);
    const { id: volumeId, secrets } = volume;
    await one.controller.DeleteVolume({ volumeId, secrets });
    await refused(volume.expand(2 * GiB), 'NOT_FOUND');
  });
});
