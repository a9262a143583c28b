import { describe, expect, it } from 'vitest';
import { unsupportedFeatures } from '../../../../../src/rbd/mapping/krbd/krbd-features.js';
import { krbdOptions, whyNotMonitors } from '../../../../../src/rbd/mapping/krbd/krbd-options.js';

const BOTH = ['[v2:10.0.0.1:3300,v1:10.0.0.1:6789]'];
const asked = (options: string, ioTimeoutSeconds = 0) => ({ options, ioTimeoutSeconds });

describe('map options', () => {
  it('end with noudev, whatever the class says', () => {
    expect(krbdOptions(asked(''), BOTH)).toBe('noudev');
    expect(krbdOptions(asked('udev, queue_depth=64 ,'), BOTH)).toBe('udev,queue_depth=64,noudev');
  });

  it('leave alone what the class sets itself', () => {
    const own = 'osd_request_timeout=30,ms_mode=secure';
    expect(krbdOptions(asked(own), ['v2:10.0.0.1:3300'])).toBe(`${own},noudev`);
    expect(krbdOptions(asked(own, 300), ['v2:10.0.0.1:3300'])).toBe(`${own},noudev`);
  });

  it('take messenger v2 where the cluster says that it speaks no other', () => {
    expect(krbdOptions(asked(''), BOTH, { v2Only: true })).toBe('ms_mode=prefer-crc,noudev');
    expect(krbdOptions(asked('ms_mode=secure'), BOTH, { v2Only: true })).toBe('ms_mode=secure,noudev');
  });

  it('let I/O wait for the cluster, however long, unless the class says when it is to fail', () => {
    for (const more of [[], ['noshare']]) {
      expect(krbdOptions(asked('queue_depth=64'), BOTH, { more })).not.toContain('timeout');
      expect(krbdOptions(asked('queue_depth=64', 300), BOTH, { more })).toContain(
        'queue_depth=64,osd_request_timeout=300,',
      );
    }
  });

  it.each([
    [['[v2:10.0.0.1:3300]'], true],
    [['v2:10.0.0.1:3300', '[v2:10.0.0.2:3300/0]'], true],
    [['10.0.0.1:3300'], true],
    [['[v2:[fd00::1]:3300]'], true],
    [BOTH, false],
    [['v2:10.0.0.1:3300,v1:10.0.0.1:6789'], false],
    [['[v2:[fd00::1]:3300,v1:[fd00::1]:6789]'], false],
    [['10.0.0.1'], false],
    [['10.0.0.1:6789'], false],
    [['v2:10.0.0.1:3300', '10.0.0.2'], false],
    [['mon.example.com'], false],
    [[], false],
  ])('choose the messenger for %j: v2 only is %s', (monitors, v2) => {
    expect(krbdOptions(asked(''), monitors).includes('ms_mode=prefer-crc')).toBe(v2);
    expect(whyNotMonitors(monitors, '5.10.0-30-amd64') !== undefined).toBe(v2);
    expect(whyNotMonitors(monitors, '5.11.0')).toBeUndefined();
    expect(whyNotMonitors(monitors, '6.1.0-56-amd64')).toBeUndefined();
  });
});

it('features are compared bit by bit with what the kernel supports', () => {
  const default61 = ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'];
  expect(unsupportedFeatures([...default61, 'data-pool', 'striping', 'operations'], 0x1bfn)).toEqual([]);
  expect(unsupportedFeatures([...default61, 'journaling'], 0x1bfn)).toEqual(['journaling']);
  expect(unsupportedFeatures(default61, 0x3n)).toEqual(['exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten']);
  expect(unsupportedFeatures(['toString'], 0xffffn)).toEqual(['toString']);
});
