/** The record against every version of the runtimes that reads it: golden texts, and what each makes of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  mountInfoOf,
  parseMountInfo,
  pathOfName,
  recordName,
  type DirectVolume,
} from '../../../../src/sandbox/kata/kata-record.js';
import { KataRecords } from '../../../../src/sandbox/kata/kata-records.js';
import { RUNTIMES, take, type Taken } from '../../../../src/dev/guest/kata-runtimes.js';

const TARGET = '/var/lib/kubelet/pods/7a4ce2b1/volumes/kubernetes.io~csi/pv-a/mount';
const ID = { 'rbd.csi.berth.dev/volume-id': 'dev/hyper/berth-a' };

const volume = (other: Partial<DirectVolume> = {}): DirectVolume => ({
  ...{ volume: 'dev/hyper/berth-a', device: '/dev/rbd0', fsType: 'ext4', readOnly: false, flags: [], group: '' },
  ...other,
});

const group = { fsGroup: '2000', fsGroupChangePolicy: 'OnRootMismatch' };
const plain = { 'volume-type': 'directvol', device: '/dev/rbd0', fstype: 'ext4', metadata: ID, options: [] };

describe('a record says', () => {
  const golden: readonly [string, Partial<DirectVolume>, object][] = [
    ['the device and its filesystem', {}, plain],
    ['read-only as an option', { readOnly: true }, { ...plain, options: ['ro'] }],
    ['a group with a policy', { group: '2000' }, { ...plain, metadata: { ...ID, ...group } }],
    ['no group where it is root’s', { group: '0' }, plain],
    ['nouuid for an xfs', { fsType: 'xfs' }, { ...plain, fstype: 'xfs', options: ['nouuid'] }],
    ['flags one by one', { flags: ['noatime,discard', 'noatime'] }, { ...plain, options: ['noatime', 'discard'] }],
    [
      'no SELinux label, which is for the host’s kernel, whole or cut',
      { flags: ['noatime,context="system_u:object_r:c:s0:c1,c2"', 'fscontext=a', 'seclabel'] },
      { ...plain, options: ['noatime'] },
    ],
    ['no flag that only mount(8) knows', { flags: ['defaults', '_netdev', 'nofail', 'rw'] }, plain],
  ];
  it.each(golden)('%s', (_, other, expected) => {
    expect(mountInfoOf(volume(other))).toEqual(expected);
  });

  it('nothing under a flag that changes what is mounted', () => {
    for (const flag of ['bind', 'rbind', 'noatime,bind', 'loop=/dev/loop0'])
      expect(() => mountInfoOf(volume({ flags: [flag] }))).toThrow(/BERTH_FIELD_INVALID.*not allowed/);
  });

  it('nothing for a group that Go would fail the container for', () => {
    for (const bad of ['-1', '4294967296', 'staff', '1e3', '0x10'])
      expect(() => mountInfoOf(volume({ group: bad })), bad).toThrow(/BERTH_FIELD_INVALID.*group/);
  });
});

describe('its name', () => {
  it.each([
    // Made with Go's base64.URLEncoding.EncodeToString.
    ['/a', 'L2E='],
    ['/ab', 'L2Fi'],
    ['/var/lib/kubelet/~?>', 'L3Zhci9saWIva3ViZWxldC9-Pz4='],
    ['/pods/größe/ÿÿ', 'L3BvZHMvZ3LDtsOfZS_Dv8O_'],
  ])('of %s is %s', (given, name) => {
    expect(recordName(given)).toBe(name);
    expect(pathOfName(name)).toBe(given);
  });

  it('is refused where no file name could hold it', () => {
    expect(recordName(`/${'a'.repeat(188)}`)).toHaveLength(252);
    expect(() => recordName(`/${'a'.repeat(189)}`)).toThrow(/BERTH_FIELD_INVALID: target_path: .*190 bytes/);
  });

  it('is never read out of a draft or of something foreign', () => {
    for (const name of ['.berth-00ff', 'mountInfo.json', 'YQ==', 'L2E', '']) expect(pathOfName(name)).toBeUndefined();
  });
});

describe('a text that a runtime would not read', () => {
  it.each([
    '',
    '{',
    'null',
    '{"volume_type":"directvol","device":"/dev/rbd0","fs_type":"ext4"}',
    '{"volume-type":"block","device":"/dev/rbd0","fstype":"ext4"}',
    '{"volume-type":"directvol","device":"/dev/rbd0","fstype":"ext4","metadata":"{}"}',
    '{"volume-type":"directvol","device":"/dev/rbd0","fstype":"ext4","options":"ro"}',
  ])('is no record: %s', (text) => {
    expect(parseMountInfo(text)).toBeUndefined();
  });
});

describe.each(RUNTIMES)('$name', (runtime) => {
  let records: KataRecords;
  beforeAll(async () => {
    records = new KataRecords(await mkdtemp(path.join(tmpdir(), 'berth-records-')));
  });
  afterAll(() => rm(records.directory, { recursive: true }));

  const given = async (other: Partial<DirectVolume>, ociReadOnly = false): Promise<Taken> => {
    await records.write(TARGET, mountInfoOf(volume(other)));
    const deviceReadOnly = other.readOnly === true;
    return take(runtime, { source: TARGET, readOnly: ociReadOnly }, { records: records.directory, deviceReadOnly });
  };
  const isShut = runtime.gateClosed === true;
  const options = runtime.language === 'go' || runtime.options === true;
  const device = { kind: 'device', device: '/dev/rbd0', fsType: 'ext4', options: [], readOnly: false };

  if (isShut) {
    it('shares the guard, not the node’s disk', async () => {
      expect(await given({})).toEqual({ kind: 'shared', why: 'disable_block_device_use' });
    });
  } else if (runtime.oldSpelling === true) {
    it('fails the container, saying which name it misses', async () => {
      expect(await given({})).toEqual({ kind: 'error', why: 'missing field `volume_type`' });
    });
  } else {
    it('gives the guest the device', async () => {
      expect(await given({})).toEqual(device);
    });
    it('keeps a read-only volume read-only', async () => {
      const expected = { ...device, readOnly: true, options: options ? ['ro'] : [] };
      expect(await given({ readOnly: true })).toEqual(expected);
    });
    it('takes the group where it knows groups, and is not put off by it where not', async () => {
      const taken = await given({ group: '2000' });
      expect(taken).toEqual(runtime.fsGroup === true ? { ...device, fsGroup: 2000 } : device);
    });
    it('hands the flags on where it hands any on', async () => {
      expect(await given({ flags: ['noatime'] })).toEqual({ ...device, options: options ? ['noatime'] : [] });
    });
  }
});
