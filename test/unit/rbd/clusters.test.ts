/**
 * The configured clusters: read again when they change, keys read anew, secrets first, and only places that are ours.
 */
import { mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import { FreshFiles } from '../../../src/rbd/fresh-file.js';

let directory: string;
let file: string;
let keyFile: string;
let clusters: Clusters;

const text = (monitor: string): string => `
clusters:
  - id: c1
    monitors: [${monitor}]
    pools: [{ name: rbd, namespaces: ['', team] }, { name: fast }]
    users: { controller: { id: berth, keyFile: ${keyFile} } }
    registry: { pool: fast }
`;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-clusters-'));
  file = path.join(directory, 'clusters.yaml');
  keyFile = path.join(directory, 'key');
  await writeFile(keyFile, 'AQBfirst==\n');
  await writeFile(file, text('m1'));
  // Every read is a real one here; how long a text counts as fresh is a test of its own.
  clusters = new Clusters(file, new FreshFiles(0));
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(directory, { recursive: true, force: true });
});

const at = (pool: string, namespace = '', cluster = 'c1') => ({ cluster, pool, namespace });
const soon = (): Deadline => Deadline.after(10_000);
const monitors = async (): Promise<readonly string[]> => (await clusters.get('c1')).monitors;

describe('the clusters', () => {
  it('are read again when the file changes, without a restart', async () => {
    expect(await monitors()).toEqual(['m1']);
    await writeFile(file, text('m2'));
    await utimes(file, new Date(), new Date(Date.now() + 5000));
    expect(await monitors()).toEqual(['m2']);
    await writeFile(file, text('m3, m4'));
    expect(await monitors()).toEqual(['m3', 'm4']);
  });

  it('are read again when a ConfigMap swaps its link', async () => {
    const versions = ['m1', 'm2'].map((name) => path.join(directory, name));
    for (const version of versions) await writeFile(version, text(path.basename(version)));
    await utimes(versions[0]!, 1000, 1000);
    await unlink(file);
    await symlink(versions[0]!, file);
    expect(await monitors()).toEqual(['m1']);
    await symlink(versions[1]!, `${file}.new`);
    await rename(`${file}.new`, file);
    expect(await monitors()).toEqual(['m2']);
  });

  it('that are broken or gone leave the last good ones in use, are told once each, and mend', async () => {
    const told: string[] = [];
    clusters = new Clusters(file, new FreshFiles(0), (fault) => void told.push(fault?.message ?? 'mended'));
    expect(await monitors()).toEqual(['m1']);
    await writeFile(file, 'clusters: nonsense');
    for (let time = 0; time < 3; time += 1) expect(await monitors()).toEqual(['m1']);
    expect(told).toEqual([expect.stringMatching(/^BERTH_CONFIG_INVALID: .*clusters: must be a list/)]);
    await writeFile(file, '{');
    expect(await monitors()).toEqual(['m1']);
    await unlink(file);
    for (let time = 0; time < 3; time += 1) expect(await monitors()).toEqual(['m1']);
    expect(told.slice(2)).toEqual([expect.stringMatching(/ENOENT/)]);
    await writeFile(file, text('m1'));
    expect(await monitors()).toEqual(['m1']);
    expect(told.slice(3)).toEqual(['mended']);
    await writeFile(file, text('m9'));
    expect(await monitors()).toEqual(['m9']);
    expect(told).toHaveLength(4);
  });

  it('that stay broken are told again every five minutes', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const told = vi.fn();
    clusters = new Clusters(file, new FreshFiles(0), told);
    await monitors();
    await writeFile(file, 'clusters: nonsense');
    await monitors();
    vi.advanceTimersByTime(299_999);
    await monitors();
    expect(told).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1);
    await monitors();
    expect(told).toHaveBeenCalledTimes(2);
  });

  it('that have never been good are an error as long as they are not, and no longer', async () => {
    await writeFile(file, 'clusters: nonsense');
    await expect(clusters.all()).rejects.toMatchObject({ code: 'BERTH_CONFIG_INVALID' });
    await expect(clusters.all()).rejects.toThrow(/clusters: must be a list/);
    await unlink(file);
    await expect(clusters.all()).rejects.toThrow(/BERTH_CONFIG_INVALID: .*ENOENT/);
    await writeFile(file, text('m9'));
    expect(await monitors()).toEqual(['m9']);
  });

  it('are asked of the disk once a second at most, and a failure is not remembered', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const kept = new Clusters(file);
    const first = async (): Promise<string | undefined> => (await kept.get('c1')).monitors[0];
    expect(await first()).toBe('m1');
    await writeFile(file, text('m2'));
    vi.advanceTimersByTime(999);
    expect(await first()).toBe('m1');
    vi.advanceTimersByTime(1);
    expect(await first()).toBe('m2');
    await unlink(file);
    vi.advanceTimersByTime(1000);
    expect(await first()).toBe('m2');
    await writeFile(file, text('m3'));
    expect(await first()).toBe('m3');
  });

  it('that are not in the file are unknown', async () => {
    await expect(clusters.get('c2')).rejects.toMatchObject({ code: 'BERTH_CLUSTER_UNKNOWN' });
    await expect(clusters.registry('c2', 'controller', soon())).rejects.toMatchObject({
      code: 'BERTH_CLUSTER_UNKNOWN',
    });
  });
});

describe('a place', () => {
  it('that is ours is reached as the configured user', async () => {
    const { access, ...place } = await clusters.pool(at('rbd', 'team'), 'controller');
    expect(place).toEqual({ pool: 'rbd', namespace: 'team' });
    expect(access).toMatchObject({ cluster: 'c1', monitors: ['m1'], user: 'berth' });
    expect(access.key.reveal()).toBe('AQBfirst==');
  });

  it.each([
    ['another pool', at('other'), 'BERTH_POOL_NOT_OURS'],
    ['another namespace', at('rbd', 'x'), 'BERTH_POOL_NOT_OURS'],
    ['a namespace of another pool', at('fast', 'team'), 'BERTH_POOL_NOT_OURS'],
    ['another cluster', at('rbd', '', 'c2'), 'BERTH_CLUSTER_UNKNOWN'],
  ])('in %s is refused, also to somebody with secrets', async (_what, place, code) => {
    const secrets = { user: 'admin', key: new Secret('x') };
    await expect(clusters.pool(place, 'controller')).rejects.toMatchObject({ code });
    await expect(clusters.pool(place, 'controller', secrets)).rejects.toMatchObject({ code });
    await expect(clusters.listed(place)).rejects.toMatchObject({ code });
  });

  it('of every kind is listed once', async () => {
    const places = (await clusters.pools('controller')).map(({ pool, namespace }) => `${pool}/${namespace}`);
    expect(places).toEqual(['rbd/', 'rbd/team', 'fast/']);
  });

  it('of a cluster without such a user is left out of the list, and an error where there is no other', async () => {
    const userless = '  - { id: c2, monitors: [m1], pools: [{ name: rbd }] }\n';
    await writeFile(file, `${text('m1')}${userless}`);
    expect((await clusters.pools('controller')).map(({ access }) => access.cluster)).toEqual(['c1', 'c1', 'c1']);
    await writeFile(file, `clusters:\n${userless}`);
    await expect(clusters.pools('controller')).rejects.toMatchObject({ code: 'BERTH_CREDENTIALS_MISSING' });
  });

  it('of the registry is where the file says', async () => {
    expect(await clusters.registry('c1', 'controller', soon())).toMatchObject({ pool: 'fast', namespace: '' });
  });
});

describe('credentials', () => {
  it('of the request win, also where the file has none for the role', async () => {
    const secrets = { user: 'tenant', key: new Secret('AQBtenant==') };
    for (const role of ['controller', 'node'] as const) {
      const { access } = await clusters.pool(at('rbd'), role, secrets);
      expect([access.user, access.key.reveal()]).toEqual(['tenant', 'AQBtenant==']);
    }
  });

  it('that nobody gives are missing, and the error says of which user', async () => {
    const ask = clusters.pool(at('rbd'), 'node');
    await expect(ask).rejects.toMatchObject({ code: 'BERTH_CREDENTIALS_MISSING', status: 'INVALID_ARGUMENT' });
    await expect(ask).rejects.toThrow(/add users\.node to clusters\.yaml/);
  });

  it('rotate with the key file, although the clusters file stays', async () => {
    await clusters.pool(at('rbd'), 'controller');
    await writeFile(keyFile, ' AQBsecond== \n');
    expect((await clusters.pool(at('rbd'), 'controller')).access.key.reveal()).toBe('AQBsecond==');
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ['gone', () => unlink(keyFile), /cannot be read/],
    ['empty', () => writeFile(keyFile, ' \n'), /is empty/],
  ])('whose key file is %s are an error that names the file and not its content', async (_what, change, why) => {
    await change();
    await expect(clusters.pool(at('rbd'), 'controller')).rejects.toMatchObject({ code: 'BERTH_CONFIG_INVALID' });
    await expect(clusters.pool(at('rbd'), 'controller')).rejects.toThrow(why);
    await expect(clusters.pool(at('rbd'), 'controller')).rejects.toThrow(keyFile);
  });

  it('do not show in the places that carry them', async () => {
    const places = await clusters.pools('controller');
    expect(JSON.stringify(places)).not.toContain('AQBfirst');
  });
});
