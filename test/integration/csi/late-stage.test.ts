/**
 * A stage that comes late loses: it was held back past its detach, and the volume is another node's by then, or
 * nobody's. Nothing of it is written, and the record is not taken for a node that nobody attached.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY, parseHolderRecord, type Holder } from '../../../src/attachment/holder-record.js';
import { GRANT } from '../../../src/csi/publish-context.js';
import { FREEZE_AT } from '../../../src/dev/driver/crash-at.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { refusal, refused } from './calls.js';
import { block, ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { contentOf } from './images.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

const small = { sizeBytes: SMALL_BYTES };
/** A caller who waits longer than all that happens meanwhile. */
const PATIENCE_MS = 600_000;

let site: Site;
let late: Driver;
let other: Driver;

beforeAll(async () => {
  site = await Site.open('late');
  [late, other] = await Promise.all([site.driver('node-late').start(), site.driver('node-other').start()]);
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

async function holdersOf({ image, id }: Volume): Promise<readonly Holder[]> {
  return parseHolderRecord((await site.metadata(image))[HOLDER_KEY], id)?.holders ?? [];
}

async function isUntouched(volume: Volume, on: Driver): Promise<void> {
  expect(await mountAt(await on.stagingPath(volume.id))).toBeUndefined();
  expect((await findLoops()).filter(({ file }) => file.startsWith(`${on.stateDir}/`))).toEqual([]);
  expect(await readdir(path.join(on.stateDir, 'journal'))).toEqual([]);
}

const isFrozen = async (pid: number): Promise<boolean> => /\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'));

/** The stage of `volume` stands still before it takes the record; it goes on when this is called. */
async function stageHeldBack(volume: Volume): Promise<() => ReturnType<typeof refusal>> {
  await late.stop();
  await late.start('ready', { [FREEZE_AT]: `stage:take holder record@${path.basename(volume.image)}` });
  await volume.attach(late);
  const stage = refusal(volume.stage(late, {}, PATIENCE_MS));
  await expect.poll(() => isFrozen(late.pid), { timeout: 60_000 }).toBe(true);
  return () => {
    process.kill(late.pid, 'SIGCONT');
    return stage;
  };
}

const outdated = (text: string): RegExp => new RegExp(`BERTH_GRANT_OUTDATED: .*${text}`);

describe.each([
  ['ext4', ext4()],
  ['a raw block volume', block()],
])('NodeStage of %s that comes after its detach', (_what, capability) => {
  it('loses where another node has it by then, which notices nothing', async () => {
    const volume = await site.create(other, capability, small);
    const goOn = await stageHeldBack(volume);
    await volume.detach(late);
    await volume.bring(other);
    const content = await contentOf(site, volume.image);
    const { status, text } = await goOn();
    expect([status, text]).toEqual(['FAILED_PRECONDITION', expect.stringMatching(outdated(other.nodeId))]);
    await isUntouched(volume, late);
    expect(await contentOf(site, volume.image)).toBe(content);
    expect(await holdersOf(volume)).toMatchObject([{ node: other.nodeId, by: 'controller', state: 'staged' }]);
  });

  it('loses where nobody has it, and keeps it from nobody', async () => {
    const volume = await site.create(other, capability, small);
    const content = await contentOf(site, volume.image);
    const goOn = await stageHeldBack(volume);
    await volume.detach(late);
    expect(await goOn()).toMatchObject({ text: expect.stringMatching(outdated('attached to no node')) as string });
    await isUntouched(volume, late);
    expect(await holdersOf(volume)).toEqual([]);
    expect(await contentOf(site, volume.image)).toBe(content);
    await volume.bring(other);
  });

  it('loses where its own node has it by a newer attach, whose stage succeeds', async () => {
    const volume = await site.create(other, capability, small);
    const goOn = await stageHeldBack(volume);
    await volume.detach(late);
    await volume.attach(late);
    const [{ grant }] = (await holdersOf(volume)) as [Holder];
    expect(await goOn()).toMatchObject({ text: expect.stringMatching(outdated('attached anew since')) as string });
    await isUntouched(volume, late);
    expect(await holdersOf(volume)).toMatchObject([{ node: late.nodeId, state: 'granted', grant }]);
    await late.stop();
    await late.start();
    await volume.stage(late);
    await volume.publish(late);
    expect(await holdersOf(volume)).toMatchObject([{ node: late.nodeId, state: 'staged', grant }]);
  });
});

describe('the grant of an attach', () => {
  it('is the same when the attach is repeated, before and after the stage, and a new one after a detach', async () => {
    const volume = await site.create(other, ext4(), small);
    const grantOf = async (): Promise<string | undefined> => {
      await volume.attach(late);
      return volume.context(late)[GRANT];
    };
    const first = await grantOf();
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(await grantOf()).toBe(first);
    await volume.stage(late);
    expect(await grantOf()).toBe(first);
    await volume.unstage(late);
    expect(await grantOf()).toBe(first);
    await volume.detach(late);
    expect(await grantOf()).not.toBe(first);
  });

  it('of another time is refused at publish and at stage, beside a pod that goes on', async () => {
    const volume = await site.create(other, ext4(), small);
    const target = await volume.bring(late);
    const publishContext = { [GRANT]: 'of another time' };
    const text = outdated('staged there by another attach');
    await refused(volume.publish(late, 'second', { publishContext }), 'FAILED_PRECONDITION', text);
    await refused(volume.stage(late, { publishContext }), 'FAILED_PRECONDITION', text);
    await put(target, 'goes on');
    await put(await volume.publish(late, 'second'), 'by the right one', 'second');
    expect(await get(target, 'second')).toBe('by the right one');
  });
});

describe('a volume that was attached by the release before, which named no grant', () => {
  it('is staged, published and staged again after the driver was restarted, and is detached', async () => {
    const volume = await site.create(other, ext4(), small);
    await volume.attach(late);
    const record = parseHolderRecord((await site.metadata(volume.image))[HOLDER_KEY], volume.id)!;
    const [{ grant, ...rest }] = record.holders;
    expect(grant).toBeDefined();
    await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, JSON.stringify({ ...record, holders: [rest] }));
    await volume.attach(late);
    expect(volume.context(late)).toEqual({});
    await volume.stage(late);
    const target = await volume.publish(late);
    await put(target, 'kept');
    await late.stop('SIGKILL');
    await late.start();
    await volume.stage(late);
    expect(await get(target)).toBe('kept');
    await volume.leave(late);
    expect(await holdersOf(volume)).toEqual([]);
  });
});
