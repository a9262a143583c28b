/**
 * The demo's chapter on Kata: a virtual machine takes the volume by the record alone, is killed without warning, and
 * the next one, on the other node, finds what was synced.
 */
import { take, RUNTIMES } from '../guest/kata-runtimes.js';
import type { Disk } from '../guest/guest-disk.js';
import type { SandboxGuest } from '../guest/sandbox-guest.js';
import { Deadline } from '../../model/deadline.js';
import type { Volume } from './demo-controller.js';
import type { Attached, DemoNode } from './demo-node.js';
import type { GuestStage } from './guest-stage.js';
import type { Scene, Story } from './scene.js';

const soon = (): Deadline => Deadline.after(30_000);

/** A runtime of Kata, and how it plugs its disks in. */
interface Way {
  readonly runtime: string;
  readonly as: Disk['as'];
}
const GO: Way = { runtime: 'Go 4.1 with block devices allowed', as: 'virtio-blk' };
const RUST: Way = { runtime: 'runtime-rs 4.1', as: 'virtio-scsi' };

/** The node's word to the runtime, and how a runtime takes it: by the record, and nothing else. */
async function startGuest(
  story: Story,
  stage: GuestStage,
  node: DemoNode,
  attached: Attached,
  { runtime: name, as }: Way,
): Promise<SandboxGuest> {
  const runtime = RUNTIMES.find((one) => one.name === name);
  if (runtime === undefined) throw new TypeError(`no runtime ${name}`);
  const look = () =>
    take(runtime, { source: node.target, readOnly: false }, { records: node.kataRecords, deviceReadOnly: false });
  await story.step(`stage, publish for Kata on ${node.name}`, async () => {
    await node.stage(attached);
    await node.publish(attached);
    const taken = look();
    if (taken.kind !== 'device') throw new Error(`${name}: ${taken.why}`);
    return `record: ${taken.device}, ${taken.fsType}; the host mounts no filesystem`;
  });
  const guest = await story.bring('boot a virtual machine', async () => {
    const booted = await stage.boot();
    return [booted, `Linux ${await booted.sh('uname -r')}, emulated`];
  });
  await story.step('plug in what the record says', async () => {
    const taken = look();
    if (taken.kind !== 'device') throw new Error(`${name}: ${taken.why}`);
    const { device, readOnly, fsType, options } = taken;
    const disk = await guest.plug({ device, readOnly, as });
    await guest.sh(`mount -t ${fsType} -o ${['rw', ...options].join(',')} ${disk} /volume`);
    return `as ${name.split(' ', 2).join(' ')} does, ${as}: ${disk}`;
  });
  return guest;
}

export async function inKataGuests(story: Story, scene: Scene, stage: GuestStage): Promise<void> {
  const { admin, controller, pool, one, two } = scene;
  const [idOne, idTwo] = [await one.id(), await two.id()];
  const volume = await story.bring<Volume>('an image that an administrator made', async () => {
    const made = await stage.makeImage(admin, pool, soon());
    return [made, made.volumeId];
  });
  const first = await startGuest(story, stage, one, await story.attach(volume, one), GO);
  await story.step('write and sync in the virtual machine', async () => {
    await first.sh('dd if=/dev/urandom of=/volume/synced bs=1M count=4 2>/dev/null && sync');
    stage.synced = await stage.sumIn(first);
    return `4 MiB, sha256 ${stage.synced}...`;
  });
  await story.step('kill it without warning', async () => {
    // Its page cache has more than was synced.
    await first.sh('dd if=/dev/urandom of=/volume/not-synced bs=1M count=1 2>/dev/null');
    await first.kill();
    return 'SIGKILL: no unmount, no flush';
  });
  await story.unmount(one, idOne, volume.volumeId);

  const second = await startGuest(story, stage, two, await story.attach(volume, two), RUST);
  await story.step('read what was synced', () => stage.find(second));
  await story.step('a third one, on node-one: refused', () => controller.attachRefused(volume, idOne, idTwo));
  await story.step('shut it down', async () => {
    await second.sh('umount /volume');
    return second.shutDown();
  });
  await story.unmount(two, idTwo, volume.volumeId);
}
