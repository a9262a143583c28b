/** The demo's chapter on copies: a snapshot of the mounted volume, a change, and a restore beside it. */
import { randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Volume } from './demo-controller.js';
import { MIB, payloadOf, sha256, sumAt, type Scene, type Story } from './scene.js';

const GROWN_BYTES = 3 * 2 ** 30;

/** @param sum of the file on the volume, which node two has mounted; it has another one afterwards */
export async function snapshotAndRestore(story: Story, scene: Scene, volume: Volume, sum: string): Promise<void> {
  const { controller, pool, one, two } = scene;
  let snapshot = '';
  let copy: Volume | undefined;
  await story.step('snapshot while it is mounted', async () => {
    snapshot = await controller.snapshot(`snapshot-${randomUUID()}`, volume.volumeId);
    return snapshot;
  });
  const changed = randomBytes(MIB);
  await story.step('change the file', async () => {
    await writeFile(payloadOf(two), changed, { flush: true });
    return `sha256 ${sha256(changed)}...`;
  });
  await story.step('restore the snapshot as a volume', async () => {
    const from = { snapshot: { snapshotId: snapshot } };
    copy = await controller.create(`pvc-${randomUUID()}`, pool, GROWN_BYTES, from);
    return copy.volumeId;
  });
  if (copy === undefined) throw new TypeError('not restored');
  await story.mount(one, await story.attach(copy, one));
  await story.step('both, side by side', async () => {
    const [before, now] = [await sumAt(one), await sumAt(two)];
    if (before !== sum) throw new Error(`the restored file is ${before}... instead of ${sum}...`);
    if (now !== sha256(changed)) throw new Error(`the changed file is ${now}...`);
    return `node-one ${before}..., node-two ${now}...`;
  });
  await story.unmount(one, await one.id(), copy.volumeId);
  const restored = copy.volumeId;
  await story.step('delete snapshot and restored volume', async () => {
    await controller.removeSnapshot(snapshot);
    await controller.remove(restored);
    return undefined;
  });
}
