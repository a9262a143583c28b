/** StorageClass parameters: every key means something, every typo is an error that names it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_FEATURES, whyNotFeatures } from '../../../../src/volume/image/image-features.js';
import { DEFAULT_PREFIX } from '../../../../src/volume/image/image-name.js';
import { parseParameters, words } from '../../../../src/volume/image/parameters.js';

const least = { clusterID: 'c1', pool: 'rbd' };
const parse = (more: Readonly<Record<string, string>>) => parseParameters({ ...least, ...more });

const full = {
  ...{ clusterID: 'c1', pool: 'rbd', radosNamespace: 'team', dataPool: 'ec', volumeNamePrefix: 'prod-' },
  ...{ imageFeatures: 'layering, exclusive-lock', objectSize: '8Mi', stripeUnit: '1Mi', stripeCount: '4' },
  ...{ mounter: 'nbd', mapOptions: 'queue_depth=64', mkfsOptions: '-i 8192', fsType: 'xfs' },
  ...{ ioTimeout: '5m' },
  ...{ 'csi.storage.k8s.io/fstype': 'xfs', 'csi.storage.k8s.io/pvc/name': 'data' },
  ...{ 'csi.storage.k8s.io/pvc/namespace': 'default', 'csi.storage.k8s.io/pv/name': 'pvc-1' },
};

describe('parameters', () => {
  it('need a cluster and a pool and have defaults for all else', () => {
    expect(parse({})).toEqual({
      ...{ cluster: 'c1', pool: 'rbd', namespace: '', namePrefix: DEFAULT_PREFIX, features: DEFAULT_FEATURES },
      ...{ objectSizeBytes: undefined, stripeUnitBytes: undefined, stripeCount: undefined, dataPool: undefined },
      ...{ mounter: 'auto', mapOptions: '', mkfsOptions: '', fsType: undefined, labels: new Map() },
      ...{ ioTimeoutSeconds: undefined, sandbox: undefined, allowHostMount: undefined },
    });
  });

  it('are each read', () => {
    expect(parseParameters(full)).toEqual({
      ...{ cluster: 'c1', pool: 'rbd', namespace: 'team', namePrefix: 'prod-' },
      ...{ features: ['layering', 'exclusive-lock'], objectSizeBytes: 8 * 2 ** 20 },
      ...{ stripeUnitBytes: 2 ** 20, stripeCount: 4, dataPool: 'ec', mounter: 'nbd', mapOptions: 'queue_depth=64' },
      ...{ mkfsOptions: '-i 8192', fsType: 'xfs', ioTimeoutSeconds: 300 },
      labels: new Map([
        ['csi.storage.k8s.io/pvc/name', 'data'],
        ['csi.storage.k8s.io/pvc/namespace', 'default'],
        ['csi.storage.k8s.io/pv/name', 'pvc-1'],
      ]),
    });
  });

  it.each(['clusterID', 'pool'])('without %s are refused', (name) => {
    for (const missing of [
      { ...least, [name]: '' },
      Object.fromEntries(Object.entries(least).filter(([k]) => k !== name)),
    ]) {
      expect(() => parseParameters(missing)).toThrow(`BERTH_FIELD_MISSING: parameter ${name} is required`);
    }
  });

  it('with a typo in any key are refused, and the known ones named', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(full)), fc.nat(), fc.boolean(), (key, at, drop) => {
        const i = at % key.length;
        const typo = drop ? key.slice(0, i) + key.slice(i + 1) : `${key.slice(0, i)}${key[i]!}${key.slice(i)}`;
        // Without its c, pvc/name is another key that we know.
        fc.pre(!Object.hasOwn(full, typo));
        const say = (): unknown => parse({ [typo]: 'x' });
        expect(say).toThrow(
          `BERTH_PARAMETER_UNKNOWN: parameter ${typo} is not known; correct the StorageClass; known: `,
        );
      }),
    );
  });

  it.each([
    'ClusterID',
    'Pool',
    'fstype',
    'imagefeatures',
    '__proto__x',
    'toString',
    'csi.storage.k8s.io/pvc/uid',
    ' pool',
  ])('do not know %j', (name) => {
    expect(() => parse({ [name]: 'x' })).toThrow(/BERTH_PARAMETER_UNKNOWN/);
  });

  it.each<[string, string]>([
    ['pool', 'a/b'],
    ['pool', '--all'],
    ['pool', '..'],
    ['radosNamespace', 'a@b'],
    ['dataPool', 'a b'],
    ['volumeNamePrefix', '-x'],
    ['volumeNamePrefix', '.x'],
    ['volumeNamePrefix', 'ü'],
    ['volumeNamePrefix', 'a'.repeat(25)],
    ['imageFeatures', 'layring'],
    ['imageFeatures', 'object-map'],
    ['imageFeatures', 'exclusive-lock,fast-diff'],
    ['imageFeatures', 'journaling'],
    ['imageFeatures', 'data-pool'],
    ['imageFeatures', 'layering;exclusive-lock'],
    ['imageFeatures', 'Layering'],
    ['imageFeatures', ','],
    ['objectSize', '2Ki'],
    ['objectSize', '64Mi'],
    ['objectSize', '3Mi'],
    ['objectSize', '4194305'],
    ['objectSize', '4MB'],
    ['objectSize', '0'],
    ['objectSize', '-4Mi'],
    ['stripeUnit', '64Ki'],
    ['stripeCount', '4'],
    ['mounter', 'rbd-nbd'],
    ['mounter', 'KRBD'],
    ['fsType', 'btrfs'],
    ['fsType', 'ext3'],
    ['csi.storage.k8s.io/fstype', 'EXT4'],
    ['mapOptions', 'a\nb'],
    ['ioTimeout', 'never'],
    ['ioTimeout', '-1s'],
    ['ioTimeout', '1.5m'],
    ['ioTimeout', '2 m'],
    ['ioTimeout', '120S'],
    ['ioTimeout', '500ms'],
    ['ioTimeout', '25h'],
    ['ioTimeout', '86401'],
    ['mkfsOptions', 'a\0b'],
  ])('refuse %s=%j', (name, value) => {
    expect(() => parse({ [name]: value })).toThrow(/BERTH_PARAMETER_INVALID: parameter /);
  });

  it.each<[string, string, string | undefined]>([
    ['1Mi', '0', '4Mi'],
    ['3Mi', '2', '4Mi'],
    ['8Mi', '2', '4Mi'],
    ['8Mi', '2', undefined],
    ['0', '2', '4Mi'],
    ['256', '2', '4Mi'],
  ])('refuse a stripe unit of %s, %s of them, in objects of %s', (stripeUnit, stripeCount, objectSize) => {
    const stripes = { stripeUnit, stripeCount, ...(objectSize === undefined ? {} : { objectSize }) };
    expect(() => parse(stripes)).toThrow(/BERTH_PARAMETER_INVALID: parameter stripe(Unit|Count)=/);
  });

  it.each<[string, number | undefined]>([
    ['', undefined],
    ['0', undefined],
    ['0s', undefined],
    ['120s', 120],
    ['120', 120],
    ['5m', 300],
    ['24h', 86_400],
  ])('take ioTimeout=%j for %s s: none at all waits as Ceph does', (ioTimeout, seconds) => {
    expect(parse({ ioTimeout }).ioTimeoutSeconds).toBe(seconds);
  });

  it('that name two filesystems are refused, whichever is the wrong one', () => {
    expect(() => parse({ fsType: 'ext4', 'csi.storage.k8s.io/fstype': 'xfs' })).toThrow(/fsType=ext4: .*says xfs/);
    expect(() => parse({ fsType: 'ext4', 'csi.storage.k8s.io/fstype': 'zfs' })).toThrow(/fstype=zfs/);
    expect(parse({ 'csi.storage.k8s.io/fstype': 'xfs' }).fsType).toBe('xfs');
  });

  it('with every power of two from 4Ki to 32Mi as object size are accepted', () => {
    for (let bytes = 4096; bytes <= 32 * 2 ** 20; bytes *= 2) {
      expect(parse({ objectSize: String(bytes) }).objectSizeBytes).toBe(bytes);
    }
  });

  it('name each feature once, however they are spaced', () => {
    expect(parse({ imageFeatures: ' layering ,layering,, exclusive-lock' }).features).toEqual([
      'layering',
      'exclusive-lock',
    ]);
  });
});

describe('features', () => {
  it('by default can be created', () => {
    expect(whyNotFeatures(DEFAULT_FEATURES)).toBeUndefined();
  });

  it('need each other in any order', () => {
    expect(whyNotFeatures(['fast-diff', 'object-map', 'exclusive-lock'])).toBeUndefined();
    expect(whyNotFeatures(['fast-diff', 'exclusive-lock'])).toBe('fast-diff needs object-map');
    expect(whyNotFeatures(['fast-diff', 'object-map'])).toBe('object-map needs exclusive-lock');
  });

  it('do not include what every object has', () => {
    for (const name of ['toString', 'constructor', '']) expect(whyNotFeatures([name])).toMatch(/is none of/);
  });
});

it('options become the words of a command line', () => {
  expect(words('  -i  8192\t-m 0 ')).toEqual(['-i', '8192', '-m', '0']);
  expect(words('')).toEqual([]);
});
