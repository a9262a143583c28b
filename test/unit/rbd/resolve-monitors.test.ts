/** Monitors as Ceph's clients are told them: names become addresses, and one that nobody knows is left out. */
import { describe, expect, it } from 'vitest';
import { byAddress, resolveMonitors } from '../../../src/rbd/resolve-monitors.js';
import { Secret } from '../../../src/model/secret.js';

const KNOWN: Readonly<Record<string, readonly string[]>> = { 'mon.a': ['10.0.0.9'], 'mon.b': ['10.0.0.7', 'fd00::7'] };
const of = (...monitors: string[]) =>
  resolveMonitors(monitors, (host) => {
    const found = KNOWN[host];
    return found === undefined
      ? Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' }))
      : Promise.resolve(found);
  });

describe('resolveMonitors', () => {
  it.each([
    [
      ['10.0.0.1', '[fd00::1]:3300'],
      ['10.0.0.1', '[fd00::1]:3300'],
    ],
    [
      ['mon.a:6789', '[v2:10.0.0.1:3300,v1:10.0.0.1:6789]'],
      ['10.0.0.9:6789', '[v2:10.0.0.1:3300,v1:10.0.0.1:6789]'],
    ],
    [['mon.b:6789'], ['10.0.0.7:6789', '[fd00::7]:6789']],
    [
      ['[v2:mon.b:3300,v1:mon.b:6789]'],
      ['[v2:10.0.0.7:3300,v1:10.0.0.7:6789]', '[v2:[fd00::7]:3300,v1:[fd00::7]:6789]'],
    ],
  ])('%j are %j', async (monitors, expected) => {
    expect(await of(...monitors)).toEqual({ monitors: expected, unusable: [] });
  });

  it('leaves out a monitor whose name nobody knows, and names it', async () => {
    expect(await of('mon.x', '10.0.0.1', '[v2:mon.y:3300,v1:10.0.0.2:6789]')).toEqual({
      monitors: ['10.0.0.1'],
      unusable: ['mon.x cannot be resolved (ENOTFOUND)', 'mon.y cannot be resolved (ENOTFOUND)'],
    });
  });

  it('refuses a cluster that has no other', async () => {
    const access = { cluster: 'main', user: 'u', key: new Secret('k') };
    await expect(byAddress({ ...access, monitors: ['mon.invalid'] })).rejects.toThrow(
      /BERTH_CLUSTER_UNREACHABLE: cluster main .*: mon\.invalid cannot be resolved/,
    );
    await expect(byAddress({ ...access, monitors: [] })).rejects.toThrow(/it has no monitors/);
  });
});
