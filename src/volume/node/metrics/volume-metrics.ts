/**
 * What a node shows of its own volumes: which claim is which image on which device, and how its I/O goes. It asks
 * neither a cluster nor a filesystem of a volume: the journal as it is now, for the kernel gives a device's name to the
 * next volume at once, sysfs and mountinfo.
 */
import type { IoCounters } from '../../../host/device/io-counters.js';
import type { IoState, IoWatch } from '../../../host/device/io-watch.js';
import { whyShownStopped } from '../../../host/filesystem/filesystem-health.js';
import { readMounts } from '../../../host/mount/mountinfo.js';
import { isMountedHere, type JournalEntry, type StageState, sandboxOf } from '../../../journal/entry.js';
import type { Counters, Labels, Samples } from '../../../observe/metrics.js';
import type { GuestUsages } from '../guest/guest-usages.js';
import { showGuests } from './guest-metrics.js';

/** From the path that a kubelet publishes at: .../kubernetes.io~csi/PV/mount, .../volumeDevices/publish/PV/POD. */
const PV_OF_TARGET = /[/]kubernetes[.]io~csi[/]([^/]+)[/]mount$|[/]volumeDevices[/]publish[/]([^/]+)[/]/;
const STATES: readonly StageState[] = ['staging', 'staged', 'unstaging'];

const INFO_LABELS = [
  ...['volume', 'cluster', 'pool', 'image', 'namespace', 'persistentvolumeclaim', 'persistentvolume'],
  ...['device', 'mapper', 'access', 'sandbox', 'node'],
];

/** Of each device that is mapped, by name: what it is, and how it is read from the kernel's counters. */
const IO: readonly (readonly [string, string, (io: IoCounters) => number])[] = [
  ['berth_volume_reads_total', 'Reads that ended.', ({ reads }) => reads],
  ['berth_volume_read_bytes_total', 'Bytes that were read.', ({ readBytes }) => readBytes],
  ['berth_volume_read_seconds_total', 'Time that all reads took together.', ({ readSeconds }) => readSeconds],
  ['berth_volume_writes_total', 'Writes that ended.', ({ writes }) => writes],
  ['berth_volume_written_bytes_total', 'Bytes that were written.', ({ writeBytes }) => writeBytes],
  ['berth_volume_write_seconds_total', 'Time that all writes took together.', ({ writeSeconds }) => writeSeconds],
  ['berth_volume_discards_total', 'Discards that ended.', ({ discards }) => discards],
  ['berth_volume_flushes_total', 'Flushes that ended.', ({ flushes }) => flushes],
  ['berth_volume_flush_seconds_total', 'Time that all flushes took together.', ({ flushSeconds }) => flushSeconds],
];

const FLOW: readonly (readonly [string, string, (state: IoState) => number])[] = [
  ['berth_volume_io_in_flight', 'Requests that the device has begun and not ended.', ({ inFlight }) => inFlight],
  [
    'berth_volume_io_stalled_seconds',
    'For how long requests have been in flight and none has ended, as far as it was watched.',
    ({ stalledMs }) => stalledMs / 1000,
  ],
];

export interface VolumeMetricsParts {
  readonly node: string;
  readonly counters: Pick<Counters, 'gauge' | 'counted'>;
  /** The journal as it is now. */
  readonly entries: () => Promise<readonly JournalEntry[]>;
  readonly io: Pick<IoWatch, 'state'>;
  readonly guestUsages: Pick<GuestUsages, 'of'>;
  /** As proc_pid_mountinfo(5). */
  readonly mountinfo?: string;
}

/** Announces them. */
export function showVolumes(parts: VolumeMetricsParts): void {
  const { node, counters, entries: readEntries, io, mountinfo } = parts;
  const entries = oncePerTurn(readEntries);
  const states = oncePerTurn(async () =>
    (await entries()).flatMap(({ volume, mapping }) => {
      const state = mapping && io.state(mapping.device);
      // A device that has gone is left out.
      return state === undefined ? [] : [{ volume, state }];
    }),
  );
  const labels = ['volume'];
  counters.gauge('berth_volume_info', {
    help: 'Each volume of this node: always 1, what is known of it in the labels.',
    labels: INFO_LABELS,
    read: async () => (await entries()).map((entry) => [infoOf(entry, node), 1]),
  });
  counters.gauge('berth_journal_entries', {
    help: 'Volumes in the journal of this node, by what was set out to do with them.',
    labels: ['state'],
    read: async () => {
      const all = await entries();
      return STATES.map((state) => [{ state }, all.filter((entry) => entry.state === state).length]);
    },
  });
  counters.gauge('berth_mappings', {
    help: 'Images that are mapped on this node, by mapper.',
    labels: ['mapper'],
    read: async () => {
      const mapped = (await entries()).filter(({ mapping }) => mapping !== undefined);
      return [...countBy(mapped, ({ mapper }) => mapper)].map(([mapper, n]) => [{ mapper }, n]);
    },
  });
  const ofEach = (of: (state: IoState) => number) => async (): Promise<Samples> =>
    (await states()).map(({ volume, state }) => [{ volume }, of(state)]);
  for (const [name, help, of] of IO) {
    counters.counted(name, { help, labels, read: ofEach(({ counters: counted }) => of(counted)) });
  }
  for (const [name, help, of] of FLOW) counters.gauge(name, { help, labels, read: ofEach(of) });
  counters.gauge('berth_volume_filesystem_stopped', {
    help: '1 where the kernel gave up the filesystem of a volume after errors: read-only, or shut down.',
    labels,
    read: async () => stoppedOf(await entries(), mountinfo),
  });
  showGuests(parts, entries);
}

/** All metrics of a scrape are asked for in one turn of the event loop: each thing is read once for all of them. */
function oncePerTurn<T>(read: () => T): () => T {
  let kept: { readonly value: T } | undefined;
  return () => {
    if (kept === undefined) {
      kept = { value: read() };
      queueMicrotask(() => (kept = undefined));
    }
    return kept.value;
  };
}

function infoOf(entry: JournalEntry, node: string): Labels {
  const { volume, mapper, mapping, access, named } = entry;
  const [cluster = '', pool = '', ...rest] = volume.split('/');
  const [namespace = '', persistentvolumeclaim = ''] = (named?.claim ?? '').split('/');
  return {
    ...{ volume, cluster, pool, image: rest.at(-1) ?? '', namespace, persistentvolumeclaim },
    persistentvolume: named?.pv ?? pvOf(entry) ?? '',
    ...{ device: mapping?.device ?? '', mapper, access, sandbox: sandboxOf(entry), node },
  };
}

const pvOf = ({ targets }: JournalEntry): string | undefined =>
  Object.keys(targets)
    .map((target) => PV_OF_TARGET.exec(target))
    .map((found) => found?.[1] ?? found?.[2])
    .find((name) => name !== undefined);

async function stoppedOf(entries: readonly JournalEntry[], mountinfo: string | undefined): Promise<Samples> {
  const here = entries.filter((entry) => entry.state === 'staged' && isMountedHere(entry));
  if (here.length === 0) return [];
  // Of mounts on top of each other the last one counts.
  const mounts = new Map((await readMounts(mountinfo)).map((mount) => [mount.target, mount]));
  return here.flatMap(({ volume, stagingPath, readOnly }): Samples => {
    const mount = mounts.get(stagingPath);
    return mount === undefined ? [] : [[{ volume }, whyShownStopped(mount, readOnly) === undefined ? 0 : 1]];
  });
}

function countBy<T>(all: readonly T[], keyOf: (one: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(keyOf(one), (counts.get(keyOf(one)) ?? 0) + 1);
  return counts;
}
