/**
 * Monitors for clients of the first messenger: brackets understood, names resolved, and a refusal where there is none.
 */
import { describe, expect, it } from 'vitest';
import { legacyMonitors } from '../../../src/rbd/legacy-monitors.js';

const of = (...monitors: string[]) =>
  legacyMonitors('main', monitors, (host) =>
    host === 'mon.a' ? Promise.resolve('10.0.0.9') : Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })),
  );

describe('monitors of the first messenger', () => {
  it.each([
    [['[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]'], ['10.0.0.1:6789']],
    [
      ['10.0.0.1', '10.0.0.2'],
      ['10.0.0.1:6789', '10.0.0.2:6789'],
    ],
    [['10.0.0.1:6789', 'v1:10.0.0.1:6789'], ['10.0.0.1:6789']],
    [['v2:10.0.0.1:3300', 'mon.a'], ['10.0.0.9:6789']],
    [['10.0.0.1:17000'], ['10.0.0.1:17000']],
    [['[v2:[::1]:3300,v1:[::1]:6789]'], ['[::1]:6789']],
    [['mon.b', '10.0.0.1'], ['10.0.0.1:6789']],
  ])('of %j are %j', async (monitors, expected) => {
    expect(await of(...monitors)).toEqual(expected);
  });

  it('that there are none of is said, with the reason', async () => {
    await expect(of('[v2:10.0.0.1:3300]', '10.0.0.2:3300')).rejects.toThrow(
      /BERTH_MONITOR_UNUSABLE: cluster main.*second messenger only/,
    );
    await expect(of('mon.b')).rejects.toThrow(/mon.b cannot be resolved \(ENOTFOUND\)/);
  });
});
