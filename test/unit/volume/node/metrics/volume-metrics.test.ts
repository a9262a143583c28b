/** What a node shows of its volumes: names, devices, I/O; of 500 volumes in time. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../../../../src/journal/entry.js';
import { IoWatch } from '../../../../../src/host/device/io-watch.js';
import { Counters } from '../../../../../src/observe/metrics.js';
import { GuestUsages } from '../../../../../src/volume/node/guest/guest-usages.js';
import { showVolumes } from '../../../../../src/volume/node/metrics/volume-metrics.js';

let root: string;
let counters: Counters;
let entries: readonly JournalEntry[];
let watch: IoWatch;
let guestUsages: GuestUsages;
let now: number;
/** What was read since the test began. */
const read = { journal: 0, devices: 0 };
const mountinfo = (): string => path.join(root, 'mountinfo');

beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'berth-volume-metrics-'));
  await writeFile(mountinfo(), '');
  counters = new Counters();
  entries = [];
  watch = new IoWatch(root);
  now = 0;
  guestUsages = new GuestUsages(() => now);
  Object.assign(read, { journal: 0, devices: 0 });
  const io = {
    state: (device: string) => {
      read.devices += 1;
      return watch.state(device);
    },
  };
  const journal = () => {
    read.journal += 1;
    return Promise.resolve(entries);
  };
  showVolumes({ node: 'n1', counters, entries: journal, io, guestUsages, mountinfo: mountinfo() });
});
afterEach(async () => {
  watch.stop();
  await rm(root, { recursive: true });
});

const entryOf = (name: string, device: string, more: Partial<JournalEntry> = {}): JournalEntry => ({
  ...{ version: 1, volume: `main/hyper/${name}`, fsid: 'f', stagingPath: `/stage/${name}`, state: 'staged' },
  ...{ mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, fsType: 'ext4', flagsDigest: '', mapper: 'krbd' },
  ...{ mapping: { mapper: 'krbd', device, readOnly: false }, holdsRecord: true, targets: {}, since: '' },
  ...more,
});

async function device(name: string, stat: string): Promise<void> {
  await mkdir(path.join(root, 'class/block', name), { recursive: true });
  await writeFile(path.join(root, 'class/block', name, 'stat'), `${stat}\n`);
}

const shown = async (name: string): Promise<readonly string[]> =>
  (await counters.text()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

describe('berth_volume_info', () => {
  it('has the whole chain, from the claim to the sandbox', async () => {
    entries = [entryOf('a', '/dev/rbd0', { named: { claim: 'shop/data', pv: 'pvc-1' } })];
    expect(await shown('berth_volume_info')).toEqual([
      'berth_volume_info{volume="main/hyper/a",cluster="main",pool="hyper",image="a",namespace="shop",' +
        'persistentvolumeclaim="data",persistentvolume="pvc-1",device="/dev/rbd0",mapper="krbd",access="mount",' +
        'sandbox="host",node="n1"} 1',
    ]);
  });

  it.each([
    ['/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/pvc-7/mount', 'pvc-7'],
    ['/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/publish/pvc-8/u', 'pvc-8'],
  ])('of an entry of an earlier release: the PersistentVolume by the kubelet’s path %s', async (target, pv) => {
    entries = [entryOf('a', '/dev/rbd0', { targets: { [target]: { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } })];
    expect((await shown('berth_volume_info'))[0]).toContain(`persistentvolume="${pv}"`);
  });

  it('says whose virtual machine has it', async () => {
    const guest = { mounted: false, written: true, allowHostMount: false };
    entries = [entryOf('a', '/dev/rbd0', { guest }), { ...entryOf('b', ''), mapping: undefined!, handedTo: 'hyperd' }];
    const lines = await shown('berth_volume_info');
    expect(lines[0]).toContain('sandbox="kata"');
    expect(lines[1]).toContain('sandbox="hyperd"');
  });

  it('goes with its volume', async () => {
    entries = [entryOf('a', '/dev/rbd0')];
    expect(await shown('berth_volume_info')).toHaveLength(1);
    entries = [];
    expect(await shown('berth_volume_info')).toEqual([]);
  });
});

describe('the I/O of a volume', () => {
  it('is shown under the name of the volume that has the device now', async () => {
    await device('rbd0', '5 1 16 40 7 2 24 90 3 50 130 2 0 8 1 4 20');
    entries = [entryOf('a', '/dev/rbd0')];
    await shown('berth_volume_reads_total');
    entries = [entryOf('b', '/dev/rbd0')];
    expect(await shown('berth_volume_reads_total')).toEqual(['berth_volume_reads_total{volume="main/hyper/b"} 5']);
  });

  it('is what the kernel counts of its device, bytes by sectors of 512', async () => {
    await device('rbd0', '5 1 16 40 7 2 24 90 3 50 130 2 0 8 1 4 20');
    entries = [entryOf('a', '/dev/rbd0')];
    const of = async (name: string) => (await shown(`berth_volume_${name}`))[0]?.replace(/^.* /, '');
    // First: from then on it is watched, and its requests do not end.
    expect(await of('io_stalled_seconds')).toBe('0');
    expect(await of('reads_total')).toBe('5');
    expect(await of('read_bytes_total')).toBe(String(16 * 512));
    expect(await of('read_seconds_total')).toBe('0.04');
    expect(await of('writes_total')).toBe('7');
    expect(await of('written_bytes_total')).toBe(String(24 * 512));
    expect(await of('write_seconds_total')).toBe('0.09');
    expect(await of('discards_total')).toBe('2');
    expect(await of('flushes_total')).toBe('4');
    expect(await of('flush_seconds_total')).toBe('0.02');
    expect(await of('io_in_flight')).toBe('3');
  });

  it('is left out where the device has gone, and of a kernel without flushes 0', async () => {
    await device('rbd0', '5 1 16 40 7 2 24 90 0 50 130');
    entries = [entryOf('a', '/dev/rbd0'), entryOf('gone', '/dev/rbd9')];
    expect(await shown('berth_volume_reads_total')).toHaveLength(1);
    expect(await shown('berth_volume_flushes_total')).toEqual(['berth_volume_flushes_total{volume="main/hyper/a"} 0']);
  });
});

describe('berth_volume_guest_bytes, _inodes, _age_seconds', () => {
  const amount = (total: bigint, used: bigint) => ({ total, used, available: total - used });
  const usage = { bytes: amount(1_000n, 400n), inodes: amount(64n, 11n) };
  const names = ['berth_volume_guest_bytes', 'berth_volume_guest_inodes', 'berth_volume_guest_age_seconds'];
  const all = async (): Promise<readonly string[]> => (await Promise.all(names.map(shown))).flat();

  it('are what the guest said last, and how long ago that was', async () => {
    entries = [entryOf('a', '/dev/rbd0'), entryOf('b', '/dev/rbd1')];
    guestUsages.keep('main/hyper/a', usage);
    now = 42_000;
    const volume = 'volume="main/hyper/a"';
    expect(await all()).toEqual([
      `berth_volume_guest_bytes{${volume},kind="total"} 1000`,
      `berth_volume_guest_bytes{${volume},kind="used"} 400`,
      `berth_volume_guest_bytes{${volume},kind="available"} 600`,
      `berth_volume_guest_inodes{${volume},kind="total"} 64`,
      `berth_volume_guest_inodes{${volume},kind="used"} 11`,
      `berth_volume_guest_inodes{${volume},kind="available"} 53`,
      `berth_volume_guest_age_seconds{${volume}} 42`,
    ]);
  });

  it('go with the guest that does not answer any more, and with the volume', async () => {
    entries = [entryOf('a', '/dev/rbd0'), entryOf('b', '/dev/rbd1')];
    guestUsages.keep('main/hyper/a', usage);
    guestUsages.keep('main/hyper/b', usage);
    guestUsages.keep('main/hyper/a', undefined);
    expect((await all()).filter((line) => line.includes('hyper/a'))).toEqual([]);
    entries = [entryOf('a', '/dev/rbd0')];
    expect(await all()).toEqual([]);
    // It is forgotten, not hidden: a later volume of that name begins with nothing.
    entries = [entryOf('b', '/dev/rbd1')];
    expect(await all()).toEqual([]);
  });
});

describe('berth_volume_filesystem_stopped', () => {
  const line = (name: string, options: string) => `36 35 251:0 / /stage/${name} rw - ext4 /dev/rbd0 ${options}\n`;

  it('is 1 where the kernel made it read-only, 0 where it is well or asked so, nothing of raw devices', async () => {
    await writeFile(
      mountinfo(),
      line('well', 'rw') + line('sick', 'ro') + line('asked', 'ro') + line('shut', 'rw,shutdown'),
    );
    entries = [
      ...['well', 'sick', 'shut'].map((name) => entryOf(name, '/dev/rbd0')),
      entryOf('asked', '/dev/rbd0', { readOnly: true }),
      entryOf('raw', '/dev/rbd0', { access: 'block' }),
    ];
    const values = (await shown('berth_volume_filesystem_stopped')).map((one) =>
      one.replace(/^.*hyper\/(\w+)"} /, '$1 '),
    );
    expect(values).toEqual(['well 0', 'sick 1', 'shut 1', 'asked 0']);
  });
});

describe('a node', () => {
  it('counts its mappings and what it set out to do', async () => {
    entries = [entryOf('a', '/dev/rbd0'), entryOf('b', '/dev/rbd1', { state: 'staging' })];
    expect(await shown('berth_mappings')).toEqual(['berth_mappings{mapper="krbd"} 2']);
    expect(await shown('berth_journal_entries')).toEqual([
      'berth_journal_entries{state="staging"} 1',
      'berth_journal_entries{state="staged"} 1',
      'berth_journal_entries{state="unstaging"} 0',
    ]);
  });

  it('with 500 volumes reads the journal and each device once a scrape, for all metrics of it', async () => {
    await device('rbd0', '5 1 16 40 7 2 24 90 0 50 130');
    entries = Array.from({ length: 500 }, (_, index) => entryOf(`v${index}`, '/dev/rbd0'));
    await counters.text();
    const before = process.cpuUsage();
    const text = await counters.text();
    const { user, system } = process.cpuUsage(before);
    process.stderr.write(
      `500 volumes: ${text.length} bytes in ${((user + system) / 1000).toFixed(0)} ms of processor\n`,
    );
    expect(text.split('\n').filter((line) => line.startsWith('berth_volume_'))).toHaveLength(12 * 500);
    expect(read).toEqual({ journal: 2, devices: 2 * 500 });
  });
});

it('what guests said last of too many volumes is forgotten without a scrape, the oldest first', () => {
  const amounts = { total: 2n, used: 1n, available: 1n };
  const usage = { bytes: amounts, inodes: amounts };
  const volumes = Array.from({ length: 1_025 }, (_, n) => `main/hyper/v${n}`);
  for (const volume of volumes.slice(0, -1)) guestUsages.keep(volume, usage);
  guestUsages.keep('main/hyper/v0', usage);
  guestUsages.keep('main/hyper/v1024', usage);
  const known = guestUsages.of(new Set(volumes));
  expect(known.size).toBe(1_024);
  expect(known.has('main/hyper/v1')).toBe(false);
  expect(known.has('main/hyper/v0')).toBe(true);
});
