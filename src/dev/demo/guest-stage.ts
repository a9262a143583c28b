/** Where the demo's virtual machines stand: their system, their files, and the image that they take one by one. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { VolumeCapability } from '../../csi/gen/csi/v1/VolumeCapability.js';
import type { Deadline } from '../../model/deadline.js';
import { imageSpec } from '../../model/volume-id.js';
import type { Admin } from '../ceph/admin.js';
import { guestSystem, type GuestSystem } from '../guest/guest-system.js';
import { SandboxGuest } from '../guest/sandbox-guest.js';
import { CLUSTER_ID } from '../settings.js';
import type { Volume } from './demo-controller.js';

/** FlexVolume pods may name it. */
export const GUEST_IMAGE = 'vm-1';
const SIZE = '256M';
const CAPABILITY: VolumeCapability = {
  mount: { fsType: 'ext4', mountFlags: [] },
  accessMode: { mode: 'SINGLE_NODE_SINGLE_WRITER' },
};

export interface GuestStageOptions {
  /** Everything of the guests lies below it; short, for it holds sockets. */
  readonly directory: string;
  /** Where the driver of node-one answers call-outs, and the root of its kubelet. */
  readonly flexSocket: string;
  readonly kubelet: string;
  /** Told before anything is downloaded. */
  readonly say: (line: string) => void;
  /** Kills every guest. */
  readonly signal: AbortSignal;
}

export class GuestStage {
  readonly options: GuestStageOptions;
  /** Enough of the sum of the file that the first guest synced; every later one has to find it. */
  synced = '';
  readonly #system: GuestSystem;
  readonly #guests: SandboxGuest[] = [];

  private constructor(options: GuestStageOptions, system: GuestSystem) {
    this.options = options;
    this.#system = system;
  }

  static async open(options: GuestStageOptions): Promise<GuestStage> {
    await mkdir(options.directory, { recursive: true });
    return new GuestStage(options, await guestSystem(options.directory, options.say));
  }

  /**
   * An image that an administrator makes by hand, so that both doors serve it: a volume that CSI makes is its claim's
   * alone. Its word that nobody ever wrote to it lets Berth format it.
   */
  async makeImage(admin: Admin, pool: string, deadline: Deadline): Promise<Volume> {
    const id = { cluster: CLUSTER_ID, pool, namespace: '', image: GUEST_IMAGE };
    const spec = imageSpec(id);
    await admin.rbd(['create', '--size', SIZE, spec], deadline);
    const never = JSON.stringify({ version: 1, state: 'never' });
    await admin.rbd(['image-meta', 'set', spec, 'berth.dev/filesystem', never], deadline);
    return this.volumeOf(pool);
  }

  /** The same image, as a PersistentVolume of an administrator names it. */
  volumeOf(pool: string): Volume {
    const volumeId = `${CLUSTER_ID}/${pool}/${GUEST_IMAGE}`;
    return { volumeId, volumeContext: { sandbox: 'kata' }, capability: CAPABILITY };
  }

  /** Throws where a guest that has the volume at /volume does not find what was synced. */
  async find(guest: SandboxGuest): Promise<string> {
    const found = await this.sumIn(guest);
    if (found !== this.synced)
      throw new Error(`sha256 ${found}... instead of ${this.synced}...: what was synced is lost`);
    return `sha256 ${found}..., the same`;
  }

  sumIn = async (guest: SandboxGuest): Promise<string> => (await guest.sh('sha256sum /volume/synced')).slice(0, 16);

  async boot(): Promise<SandboxGuest> {
    const directory = path.join(this.options.directory, `g${this.#guests.length}`);
    await mkdir(directory);
    const guest = await SandboxGuest.start(this.#system, directory, { signal: this.options.signal });
    this.#guests.push(guest);
    return guest;
  }

  /** Before the drivers end: what a guest has open cannot be taken down. */
  async killAll(): Promise<void> {
    for (const guest of this.#guests.splice(0)) await guest.kill();
  }
}
