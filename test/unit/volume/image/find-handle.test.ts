/** Which cluster is meant by a pool, an image and perhaps monitors; nothing is guessed where two could be. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Clusters } from '../../../../src/rbd/clusters.js';
import { findHandle, type ImageAsked } from '../../../../src/volume/image/find-handle.js';

let directory: string;
let clusters: Clusters;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-place-'));
  const file = path.join(directory, 'clusters.yaml');
  const all = [
    { id: 'one', monitors: ['[v2:10.0.0.1:3300,v1:10.0.0.1:6789]'], pools: [{ name: 'hyper' }, { name: 'only' }] },
    { id: 'two', monitors: ['10.0.0.2'], pools: [{ name: 'hyper', namespaces: ['', 'tenant'] }] },
  ];
  await writeFile(file, stringify({ clusters: all }));
  clusters = new Clusters(file);
});
afterAll(() => rm(directory, { recursive: true }));

const find = (asked: Partial<ImageAsked>): Promise<string> =>
  findHandle(clusters, { cluster: undefined, monitors: [], pool: 'hyper', namespace: '', image: 'a', ...asked });

describe('the cluster of an image', () => {
  it.each([
    [{ pool: 'only' }, 'one/only/a'],
    [{ namespace: 'tenant' }, 'two/hyper/tenant/a'],
    [{ cluster: 'two' }, 'two/hyper/a'],
    [{ monitors: ['10.0.0.1:6789'] }, 'one/hyper/a'],
    [{ monitors: ['10.0.0.2:6789', '10.0.0.3:6789'] }, 'two/hyper/a'],
  ])('by %j is %s', async (asked, handle) => {
    expect(await find(asked)).toBe(handle);
  });

  it.each([
    [{}, /clusters one and two both have pool hyper/],
    [{ monitors: ['10.9.9.9'] }, /no cluster of clusters.yaml has one of them/],
    [{ cluster: 'three' }, /BERTH_CLUSTER_UNKNOWN/],
    [{ pool: 'none' }, /BERTH_POOL_NOT_OURS/],
    [{ cluster: 'one', namespace: 'tenant' }, /BERTH_POOL_NOT_OURS/],
    [{ image: '../etc' }, /BERTH_FIELD_INVALID: image/],
    [{ pool: 'a:b' }, /BERTH_FIELD_INVALID: pool/],
  ])('by %j is not guessed', async (asked, reason) => {
    await expect(find(asked)).rejects.toThrow(reason);
  });
});
