/**
 * A volume's whole life, step by step: made, held by one node,
 * written, grown, moved with its data to another node, copied, deleted.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { statfs, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountAt } from '../../host/mount/mountinfo.js';
import { Deadline } from '../../model/deadline.js';
import { imageSpec, parseVolumeId } from '../../model/volume-id.js';
import { snapshotAndRestore } from './copies.js';
import type { Volume } from './demo-controller.js';
import type { Attached } from './demo-node.js';
import { df, MIB, payloadOf, sha256, sumAt, type Scene, type Story } from './scene.js';

const GIB = 2 ** 30;
const FIRST_BYTES = GIB;
const GROWN_BYTES = 3 * GIB;
const FILE_BYTES = 16 * MIB;
/** Between two looks whether a deleted volume's data has gone, in ms. */
const PURGE_POLL_MS = 50;

const soon = (): Deadline => Deadline.after(30_000);

/** Which mapper made this mount's device: an honest line for whoever takes the demo's figures for a node's. */
async function mapperLine(staging: string): Promise<string> {
  const source = (await mountAt(staging))?.source ?? 'nothing';
  if (source.startsWith('/dev/loop')) {
    const how = `${source}: qemu-storage-daemon, FUSE, loop device`;
    return `mapper: loop (${how}), for development only; real nodes use the kernel's rbd`;
  }
  return `mapper: ${source.startsWith('/dev/nbd') ? 'rbd-nbd' : 'kernel rbd'} (${source})`;
}

async function writeAndGrow(story: Story, scene: Scene, attached: Attached): Promise<string> {
  const { one, controller } = scene;
  const data = randomBytes(FILE_BYTES);
  const sum = sha256(data);
  await story.step('write a file', async () => {
    await writeFile(payloadOf(one), data, { flush: true });
    return `${FILE_BYTES / MIB} MiB, sha256 ${sum}...`;
  });
  await story.step('grow to 3 GiB while it is mounted', async () => {
    const before = await df(one.target);
    await controller.expand(attached.volumeId, GROWN_BYTES);
    await one.expand(attached, GROWN_BYTES);
    const { blocks, bsize } = await statfs(one.target);
    // A filesystem keeps some of the device for itself, never a third of it.
    if (blocks * bsize < 2 * GIB) throw new Error(`the filesystem did not grow: ${await df(one.target)}`);
    return `${before} -> ${await df(one.target)}`;
  });
  return sum;
}

async function onNodeOne(story: Story, scene: Scene, volume: Volume): Promise<string> {
  const { controller, one, two, table } = scene;
  const [idOne, idTwo] = [await one.id(), await two.id()];
  const attached = await story.attach(volume, one);
  await story.step('attach to node-two: refused', () => controller.attachRefused(volume, idTwo, idOne));
  await story.mount(one, attached);
  table.note(await mapperLine(one.staging));
  const sum = await writeAndGrow(story, scene, attached);
  await story.unmount(one, idOne, volume.volumeId);
  return sum;
}

async function onNodeTwo(story: Story, scene: Scene, volume: Volume, sum: string): Promise<void> {
  const { two } = scene;
  await story.mount(two, await story.attach(volume, two));
  await story.step('read the file back', async () => {
    const found = await sumAt(two);
    if (found !== sum)
      throw new Error(`sha256 ${found}... instead of ${sum}...: the data did not move with the volume`);
    return `sha256 ${found}..., the same`;
  });
  await snapshotAndRestore(story, scene, volume, sum);
  await story.unmount(two, await two.id(), volume.volumeId);
}

/** The whole life on hosts; the first step that does not go as it should throws. */
export async function lifeOnHosts(story: Story, scene: Scene): Promise<void> {
  const { admin, controller, pool } = scene;
  let volume: Volume | undefined;
  await story.step('create a volume of 1 GiB', async () => {
    volume = await controller.create(`pvc-${randomUUID()}`, pool, FIRST_BYTES);
    return volume.volumeId;
  });
  const id = volume === undefined ? undefined : parseVolumeId(volume.volumeId);
  if (volume === undefined || id === undefined) throw new TypeError('CreateVolume answered a handle that is not ours');
  const made = volume;
  const sum = await onNodeOne(story, scene, made);
  await onNodeTwo(story, scene, made, sum);
  await story.step('rbd image-meta list', async () => {
    const listed = await admin.rbd(['image-meta', 'list', imageSpec(id), '--format', 'json'], soon());
    const entries = Object.entries(JSON.parse(listed) as Record<string, string>);
    return entries.map(([key, value]) => `${key} = ${value}`).join('\n');
  });
  await story.step('delete the volume', async () => {
    await controller.remove(made.volumeId);
    return 'its name is free';
  });
  await story.step('its data goes behind it', async () => {
    const deadline = soon();
    const images = async (): Promise<string> => (await admin.rbd(['ls', pool], deadline)).trim();
    for (let left = await images(); left !== ''; left = await images()) {
      if (deadline.expired) throw new Error(`images are left in the pool: ${left}`);
      await sleep(PURGE_POLL_MS);
    }
    return 'the pool is empty';
  });
}
