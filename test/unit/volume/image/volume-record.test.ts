/** The volume record: read as written, and every way in which a volume is not what is asked for now is found. */
import { describe, expect, it } from 'vitest';
import { parseParameters } from '../../../../src/volume/image/parameters.js';
import {
  differsFrom,
  formatVolumeRecord,
  mapSettingsOf,
  parseVolumeRecord,
  shapeOf,
  VOLUME_KEY,
  type VolumeRecord,
} from '../../../../src/volume/image/volume-record.js';

const base = { clusterID: 'c', pool: 'p' };
const shape = (more: Readonly<Record<string, string>> = {}) => shapeOf(parseParameters({ ...base, ...more }));
const record: VolumeRecord = { version: 1, name: 'pvc-1', created: '2026-01-01T00:00:00.000Z', shape: shape() };
const read = (text: string) => parseVolumeRecord(new Map([[VOLUME_KEY, text]]), 'c/p/i');

describe('the volume record', () => {
  it('is read as it was written, whatever shape it has', () => {
    const all = {
      objectSize: '8Mi',
      stripeUnit: '1Mi',
      stripeCount: '2',
      dataPool: 'ec',
      fsType: 'xfs',
      mounter: 'nbd',
    };
    const more = { mapOptions: 'a', mkfsOptions: 'b', ioTimeout: '5m' };
    for (const one of [record, { ...record, shape: shape({ ...all, ...more }) }]) {
      expect(read(formatVolumeRecord(one))).toEqual(one);
    }
  });

  it('that is absent means that Berth did not make the image', () => {
    expect(parseVolumeRecord(new Map(), 'v')).toBeUndefined();
  });

  it.each([
    '',
    '{',
    'null',
    '1',
    '{"version":2}',
    '{"version":1}',
    '{"version":1,"name":"x"}',
    '{"version":1,"name":"x","shape":null}',
  ])('%j is refused', (text) => {
    expect(() => read(text)).toThrow(/^BERTH_RECORD_UNREADABLE: record berth.dev\/volume of c\/p\/i cannot be read: /);
  });

  it.each([0, -1, 1.5, '120', null])('with %j for the time that I/O may take is refused', (ioTimeoutSeconds) => {
    const text = JSON.stringify({ ...record, shape: { ...record.shape, ioTimeoutSeconds } });
    expect(() => read(text)).toThrow(/ioTimeoutSeconds is no number of seconds/);
  });

  it('says how the volume is mapped: without a limit for I/O unless its class gave one', () => {
    expect(mapSettingsOf(undefined)).toEqual({ options: '', ioTimeoutSeconds: 0 });
    expect(mapSettingsOf(record)).toEqual({ options: '', ioTimeoutSeconds: 0 });
    const limited = { ...record, shape: shape({ mapOptions: 'queue_depth=64', ioTimeout: '2m' }) };
    expect(mapSettingsOf(limited)).toEqual({ options: 'queue_depth=64', ioTimeoutSeconds: 120 });
  });

  it('of a release that knew no ioTimeout is that of a class that sets none, or 0', () => {
    const before = '{"version":1,"name":"pvc-1","created":"2026-01-01T00:00:00.000Z","shape":{"features":["layering"],';
    const old = read(`${before}"mounter":"auto","mapOptions":"","mkfsOptions":""}}`)!;
    for (const ioTimeout of ['', '0']) {
      expect(differsFrom(old, 'pvc-1', shape({ imageFeatures: 'layering', ioTimeout }))).toBeUndefined();
    }
  });

  it('with a filesystem that this version does not know is refused', () => {
    const text = JSON.stringify({ ...record, shape: { ...record.shape, fsType: 'zfs' } });
    expect(() => read(text)).toThrow(/unknown fsType/);
  });
});

describe('a volume', () => {
  it('is the same for the same name and parameters, in any order of the features', () => {
    const features = 'deep-flatten,fast-diff,object-map,exclusive-lock,layering';
    expect(differsFrom(record, 'pvc-1', shape())).toBeUndefined();
    expect(differsFrom(record, 'pvc-1', shape({ imageFeatures: features }))).toBeUndefined();
    const reread = read(formatVolumeRecord(record))!;
    expect(differsFrom(reread, 'pvc-1', shape())).toBeUndefined();
  });

  it('does not change with what only names its place or its claim', () => {
    const elsewhere = { clusterID: 'x', pool: 'y', radosNamespace: 'z', 'csi.storage.k8s.io/pvc/name': 'n' };
    expect(differsFrom(record, 'pvc-1', shape(elsewhere))).toBeUndefined();
  });

  it('is another under another name', () => {
    expect(differsFrom(record, 'pvc-2', shape())).toEqual({ what: 'name', have: 'pvc-1', want: 'pvc-2' });
  });

  it.each<[string, Record<string, string>, string, string]>([
    [
      'features',
      { imageFeatures: 'layering' },
      'deep-flatten,exclusive-lock,fast-diff,layering,object-map',
      'layering',
    ],
    ['objectSizeBytes', { objectSize: '8Mi' }, 'unset', '8388608'],
    ['stripeUnitBytes', { stripeUnit: '1Mi', stripeCount: '2' }, 'unset', '1048576'],
    ['dataPool', { dataPool: 'ec' }, 'unset', 'ec'],
    ['mounter', { mounter: 'krbd' }, 'auto', 'krbd'],
    ['mapOptions', { mapOptions: 'x' }, '', 'x'],
    ['ioTimeoutSeconds', { ioTimeout: '5m' }, 'unset', '300'],
    ['mkfsOptions', { mkfsOptions: '-m 0' }, '', '-m 0'],
    ['fsType', { fsType: 'xfs' }, 'unset', 'xfs'],
  ])('is another with another %s, in both directions', (what, parameters, have, want) => {
    expect(differsFrom(record, 'pvc-1', shape(parameters))).toEqual({ what, have, want });
    const there = { ...record, shape: shape(parameters) };
    expect(differsFrom(there, 'pvc-1', shape())).toEqual({ what, have: want, want: have });
  });

  it('is another with another number of stripes', () => {
    const two = { ...record, shape: shape({ stripeUnit: '1Mi', stripeCount: '2' }) };
    const four = shape({ stripeUnit: '1Mi', stripeCount: '4' });
    expect(differsFrom(two, 'pvc-1', four)).toEqual({ what: 'stripeCount', have: '2', want: '4' });
  });
});
