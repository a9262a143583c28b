/**
 * From the contract's messages to ours: what is missing, unknown or half is refused with the contract's own field name.
 */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { VolumeCapability__Output } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { readCapabilities, readCapability, readRange, readSecrets, require } from '../../../src/csi/read-request.js';
import { ACCESS_MODES } from '../../../src/model/capability.js';

type Mount = NonNullable<VolumeCapability__Output['mount']>;

const wire = (mode: string | undefined, more: Partial<VolumeCapability__Output>): VolumeCapability__Output =>
  ({ accessMode: mode === undefined ? null : { mode }, ...more }) as VolumeCapability__Output;
const mount = (more: Partial<Mount> = {}): Partial<VolumeCapability__Output> => ({
  mount: { fsType: '', mountFlags: [], volumeMountGroup: '', ...more },
});
const RWO = 'SINGLE_NODE_WRITER';

describe('required fields', () => {
  it('name the first that is empty', () => {
    expect(() => require({ volume_id: 'v', node_id: '', name: '' })).toThrow(
      /^BERTH_FIELD_MISSING: node_id is required/,
    );
    expect(() => require({ volume_id: 'v' })).not.toThrow();
    expect(() => require({ volume_id: ' ' })).not.toThrow();
  });
});

describe('secrets', () => {
  it('that are absent leave it to the clusters file', () => {
    expect(readSecrets({})).toBeUndefined();
  });

  it('are a user and a key, the line feed of a file cut off', () => {
    const read = readSecrets({ userID: 'berth', userKey: 'AQBx==\n' });
    expect(read?.user).toBe('berth');
    expect(read?.key.reveal()).toBe('AQBx==');
    expect(inspect(read)).not.toContain('AQBx');
  });

  it.each<[string, Record<string, string>, string]>([
    ['no user', { userKey: 'AQBx==' }, 'userID is missing'],
    ['an empty user', { userID: '', userKey: 'AQBx==' }, 'userID is missing'],
    ['no key', { userID: 'berth' }, 'userKey is missing'],
    ['a blank key', { userID: 'berth', userKey: ' \n' }, 'userKey is missing'],
    ['other things', { password: 'AQBx==' }, 'userID is missing'],
    ['an option as user', { userID: '--id', userKey: 'AQBx==' }, 'userID is no cephx user name'],
    [
      'a user with a line feed',
      { userID: 'a\nb', userKey: 'AQBx==' },
      'userID is no cephx user name: it has a blank or a line break',
    ],
    ['a user with a comma', { userID: 'a,b', userKey: 'AQBx==' }, 'userID is no cephx user name'],
    ['a key of two lines', { userID: 'a', userKey: 'AQBx==\ncaps' }, 'userKey is no cephx key'],
    [
      'a user with its prefix',
      { userID: 'client.a', userKey: 'AQBx==' },
      'userID is no cephx user name: it is written without "client."',
    ],
    ['a key in quotes', { userID: 'a', userKey: '"AQBx=="' }, 'userKey is no cephx key: it has quotes in it'],
    ['a key with an option', { userID: 'a', userKey: 'AQBx==,noudev' }, 'userKey is no cephx key'],
  ])('with %s are refused, and the text shows no key', (_what, secrets, why) => {
    const read = (): unknown => readSecrets(secrets);
    expect(read).toThrow(`BERTH_SECRETS_INVALID: secrets: ${why}`);
    expect(read).not.toThrow(/AQBx/);
  });
});

describe('a size range', () => {
  it('keeps every byte of an int64', () => {
    expect(readRange(null)).toBeUndefined();
    const range = { requiredBytes: '9223372036854775807', limitBytes: '-9223372036854775808' };
    expect(readRange(range)).toEqual({ required: 2n ** 63n - 1n, limit: -(2n ** 63n) });
  });
});

describe('a capability', () => {
  it.each(ACCESS_MODES)('of %s is read', (mode) => {
    expect(readCapability(wire(mode, { block: {} }))).toEqual({ mode, access: { kind: 'block' } });
  });

  it('with a mount is read with its flags', () => {
    const read = readCapability(wire(RWO, mount({ fsType: 'xfs', mountFlags: ['noatime', 'ro'] })));
    expect(read.access).toEqual({ kind: 'mount', fsType: 'xfs', mountFlags: ['noatime', 'ro'], group: '' });
  });

  it('that names no filesystem leaves it open', () => {
    expect(readCapability(wire(RWO, mount())).access).toMatchObject({ fsType: undefined });
  });

  it.each<[string, VolumeCapability__Output | null | undefined, RegExp]>([
    ['that is null', null, /FIELD_MISSING: volume_capability is required/],
    ['that is absent', undefined, /FIELD_MISSING: volume_capability is required/],
    ['without access mode', wire(undefined, mount()), /FIELD_INVALID: volume_capability.access_mode: missing/],
    ['of mode UNKNOWN', wire('UNKNOWN', mount()), /FIELD_INVALID: volume_capability.access_mode/],
    ['of a mode to come', wire('8', mount()), /FIELD_INVALID: volume_capability.access_mode/],
    ['without access type', wire(RWO, {}), /FIELD_MISSING: volume_capability.access_type/],
    [
      'with another filesystem',
      wire(RWO, mount({ fsType: 'btrfs' })),
      /CAPABILITY_UNSUPPORTED.*btrfs; known: ext4, xfs/,
    ],
    [
      'with a group by name',
      wire(RWO, mount({ volumeMountGroup: 'disk' })),
      /FIELD_INVALID.*volume_mount_group: it is/,
    ],
    ['with no gid', wire(RWO, mount({ volumeMountGroup: '4294967296' })), /FIELD_INVALID.*volume_mount_group/],
  ])('%s is refused', (_what, capability, message) => {
    expect(() => readCapability(capability)).toThrow(message);
  });

  it('in a list is named with its place', () => {
    const list = [wire(RWO, mount()), wire('UNKNOWN', mount())];
    expect(() => readCapabilities(list)).toThrow(/volume_capabilities\[1\]\.access_mode/);
    expect(readCapabilities([])).toEqual([]);
  });
});
