/** How a volume is on this node: usage and condition, always within the deadline, and without I/O that could hang. */
import { deviceSizeBytes, isDeviceReadOnly } from '../../host/device/block-device.js';
import type { IoWatch } from '../../host/device/io-watch.js';
import { isErrno } from '../../host/errno.js';
import { MENDING, whyFilesystemSick } from '../../host/filesystem/filesystem-health.js';
import type { Mount } from '../../host/mount/mountinfo.js';
import { UsageReader, type FilesystemUsage } from '../../host/filesystem/filesystem-usage.js';
import { isMountedHere, type JournalEntry } from '../../journal/entry.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { whatClientWaitsFor } from '../../rbd/mapping/krbd/kernel-client.js';
import type { Mapping } from '../../rbd/mapping/mapper.js';
import type { Condition } from '../image/volume-condition.js';
import { guestStats, type GuestStatsParts } from './guest/guest-stats.js';
import type { GuestUsages } from './guest/guest-usages.js';
import type { Exec } from '../../host/process/exec.js';
import type { Mappers } from './node-mappers.js';
import { findAtPath, type FindAtPathParts } from './target/find-at-path.js';

export type VolumeUsage =
  | { readonly kind: 'block'; readonly totalBytes: bigint }
  | ({ readonly kind: 'mount' } & FilesystemUsage);

export interface VolumeHealth {
  /** Undefined where not even the device's size is known. */
  readonly usage: VolumeUsage | undefined;
  readonly condition: Condition;
}

/** Ceph itself takes 20 to 40 s to give up an OSD; a disk that moves nothing for this long is worth a word, in ms. */
const STALLED_MS = 10_000;
/** What a filesystem may take for its answer, in ms: one that is alive answers from memory. */
const STATFS_MS = 2_000;

/** Needs no cluster. */
export interface VolumeStatsParts extends GuestStatsParts, FindAtPathParts {
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly exec: Exec;
  readonly io: Pick<IoWatch, 'state'>;
  readonly guestUsages: Pick<GuestUsages, 'keep'>;
}

export class VolumeStats {
  readonly #parts: VolumeStatsParts;
  readonly #reader: UsageReader;
  /** By volume: kubelet forgets a condition that comes without usage (kubernetes/kubernetes#126475). */
  readonly #last = new Map<string, VolumeUsage>();

  constructor(parts: VolumeStatsParts) {
    this.#parts = parts;
    this.#reader = new UsageReader(parts.exec);
  }

  /** BERTH_VOLUME_NOT_AT_PATH where `path` leads neither to the volume, staged or published, nor to its device. */
  async read(volume: string, path: string, deadline: Deadline): Promise<VolumeHealth> {
    const found = await findAtPath(this.#parts, volume, path, deadline);
    if (found === undefined) {
      this.#last.delete(volume);
      throw berthError('BERTH_VOLUME_NOT_AT_PATH', { volume, path });
    }
    const { entry, mapping, mount, path: resolved } = found;
    if (mapping === undefined) return this.#withoutDevice(entry, path);
    if (entry.access === 'mount' && !isMountedHere(entry)) return this.#ofGuest(entry, mapping, resolved, deadline);
    const [sick, used] = await Promise.all([
      this.#whySick(entry, mapping, mount),
      this.#usage(entry, mapping, mount, resolved, deadline),
    ]);
    const why = [...sick, ...(used.why === undefined ? [] : [used.why])];
    const stale = used.why !== undefined && used.usage !== undefined ? ['usage is the last known'] : [];
    const message = why.length === 0 ? `${mapping.device} (${mapping.mapper}) is well` : [...why, ...stale].join('; ');
    return { usage: used.usage, condition: { abnormal: why.length > 0, message } };
  }

  /** Never the numbers of the guard that is mounted at the target: none at all are better than those. */
  async #ofGuest(entry: JournalEntry, mapping: Mapping, path: string, deadline: Deadline): Promise<VolumeHealth> {
    const [sick, guest] = await Promise.all([
      this.#whySick(entry, mapping, undefined),
      guestStats(this.#parts, entry, mapping, path, deadline),
    ]);
    this.#parts.guestUsages.keep(entry.volume, guest.usage);
    const why = [...sick, ...guest.sick];
    const note = guest.note === undefined ? [] : [`usage is known inside its virtual machine alone (${guest.note})`];
    const well = why.length === 0 ? [`${mapping.device} (${mapping.mapper}) is well`] : why;
    const usage = guest.usage === undefined ? undefined : ({ kind: 'mount', ...guest.usage } as const);
    return { usage, condition: { abnormal: why.length > 0, message: [...well, ...note].join('; ') } };
  }

  #withoutDevice({ volume, mapping }: JournalEntry, path: string): VolumeHealth {
    const device = mapping === undefined ? 'its device' : `its device ${mapping.device}`;
    const todo = 'every access fails; unpublish, unstage and stage it again';
    const message = `${path} is mounted, but ${device} is gone: ${todo}`;
    return { usage: this.#last.get(volume), condition: { abnormal: true, message } };
  }

  async #whySick(entry: JournalEntry, mapping: Mapping, mount: Mount | undefined): Promise<readonly string[]> {
    const { device } = mapping;
    const filesystem =
      entry.access === 'mount' && mount !== undefined ? whyFilesystemSick(mount, entry.readOnly) : undefined;
    const io = this.#parts.io.state(device);
    const [served, readOnly] = await Promise.all([
      this.#parts.mappers.named(mapping.mapper).whyUnserved?.(mapping),
      isDeviceReadOnly(device).catch(() => undefined),
    ]);
    const stalled = io !== undefined && io.stalledMs >= STALLED_MS ? await sayStalled(mapping, io) : undefined;
    // A raw device shown read-only to its pods has that switch on by our own hand.
    const unwritable = entry.access === 'mount' && isMountedHere(entry) && !entry.readOnly && readOnly === true;
    return [served, stalled, filesystem, unwritable ? `${device} has become read-only` : undefined].filter(
      (one) => one !== undefined,
    );
  }

  async #usage(
    { volume, access }: JournalEntry,
    { device }: Mapping,
    mount: Mount | undefined,
    path: string,
    deadline: Deadline,
  ): Promise<{ readonly usage: VolumeUsage | undefined; readonly why?: string }> {
    const size = { kind: 'block', totalBytes: await deviceSizeBytes(device) } as const;
    if (access === 'block' || mount === undefined) return { usage: size };
    try {
      const budget = deadline.within(Math.min(STATFS_MS, deadline.remaining() / 2));
      const usage = { kind: 'mount', ...(await this.#reader.read(path, mount.device, budget)) } as const;
      this.#last.set(volume, usage);
      return { usage };
    } catch (error) {
      // An xfs that has shut down says so in no other way.
      const todo = isErrno(error, 'EIO') ? `: it has shut down; ${MENDING}` : '';
      const why = `its filesystem does not answer: ${reasonOf(error)}${todo}`;
      return { usage: this.#last.get(volume) ?? size, why };
    }
  }
}

async function sayStalled(
  { device, mapper }: Mapping,
  { inFlight, stalledMs }: { readonly inFlight: number; readonly stalledMs: number },
): Promise<string> {
  const waits = mapper === 'krbd' ? await whatClientWaitsFor(device) : undefined;
  const seconds = Math.floor(stalledMs / 1000);
  const said = `${device}: ${inFlight} requests in flight and none has ended for ${seconds} s`;
  return waits === undefined ? `${said}; is the cluster reachable?` : `${said}; its Ceph client: ${waits}`;
}

/** Our own errors without their advice, which is for another reader. */
const reasonOf = (error: unknown): string =>
  error instanceof Error ? (error.message.replace(/^BERTH_\w+: /, '').split('; ')[0] ?? error.message) : 'unknown';
