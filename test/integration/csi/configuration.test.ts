/**
 * A clusters file with a slip in it, and places that are not there: what is wrong stays with itself, and is said.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { Deadline } from '../../../src/model/deadline.js';
import { admin, cluster } from '../ceph.js';
import { ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Site } from './site.js';

const small = { sizeBytes: SMALL_BYTES };
const MISSING = /"namespace":"never-made".*volumes of this place are missing in a list/;

let site: Site;
let one: Driver;

beforeAll(async () => {
  site = await Site.open('config');
  one = await site.driver('node-one').start();
});
afterEach(async () => {
  await site.writeClusters();
  await site.endVolumes();
});
afterAll(() => site.close());

const logged = (driver: Driver, words: RegExp): Promise<void> =>
  expect.poll(() => driver.log(), { timeout: 60_000 }).toMatch(words);

/** The file as most have it: where nodes register is for the cluster to say. */
async function leaveRegistryUnsaid(namespaces: readonly string[]): Promise<void> {
  const said = await site.writeClusters({ namespaces }, {}, path.join(site.directory, 'said.yaml'));
  const { clusters } = parse(await readFile(said, 'utf8')) as { clusters: Record<string, unknown>[] };
  const unsaid = clusters.map((one) => ({ ...one, registry: undefined }));
  await writeFile(site.clustersFile, stringify({ clusters: unsaid }, { aliasDuplicateObjects: false }));
}

describe('a clusters file', () => {
  it('that does not parse leaves the last good one in use, and the log says so until it is mended', async () => {
    const volume = await site.create(one, ext4(), small);
    await writeFile(site.clustersFile, 'clusters: [{ id: dev, monitors: ["10.0.0.1,"]');
    await logged(one, /the last good clusters file stays in use: BERTH_CONFIG_INVALID/);
    await put(await volume.bring(one), 'still served');
    await volume.leave(one);
    await site.writeClusters();
    await logged(one, /the clusters file can be used again/);
    expect(await get(await volume.bring(one))).toBe('still served');
  });

  it('with one monitor that nobody knows serves the whole life of a volume by the others', async () => {
    const monitors = ['mon-a.invalid', ...cluster().monitors];
    await site.writeClusters({ monitors });
    const two = await site.driver('node-two').start();
    const volume = await site.create(two, ext4(), small);
    await put(await volume.bring(two), 'by the good one');
    await logged(two, /mon-a\.invalid cannot be resolved/);
    await volume.leave(two);
    expect(await get(await volume.bring(two))).toBe('by the good one');
  });

  it('with a namespace that is not there hides no volume of the others from ListVolumes', async () => {
    const volume = await site.create(one, ext4(), small);
    await site.writeClusters({ namespaces: ['never-made', site.namespace] });
    const listed = async (): Promise<readonly string[]> => {
      const { entries } = await one.controller.ListVolumes({});
      return entries.map((entry) => entry.volume!.volumeId);
    };
    // The file is read again within a second.
    await expect
      .poll(async () => [(await listed()).includes(volume.id), MISSING.test(await one.log())], { timeout: 60_000 })
      .toEqual([true, true]);
    expect(await listed()).toContain(volume.id);
  });

  it('with a place inserted before the registry leaves every node registered where it is', async () => {
    await leaveRegistryUnsaid([site.namespace]);
    const three = await site.driver('node-three').start();
    const volume = await site.create(three, ext4(), small);
    await put(await volume.bring(three), 'before');
    await volume.leave(three);
    const inserted = `${site.namespace}-inserted`;
    await leaveRegistryUnsaid([inserted, site.namespace]);
    const four = await site.driver('node-four').start();
    // A controller that began with the new file, and a node that began with the old one.
    await volume.attach(three, {}, four);
    expect(await get(await volume.bring(three))).toBe('before');
    await volume.leave(three);
    // A node that began with the new file.
    expect(await get(await volume.bring(four))).toBe('before');
    await volume.leave(four);
    expect(await admin().rados(['-p', site.pool, '-N', inserted, 'ls'], Deadline.after(60_000))).toBe('');
  });

  it('with a pool that Ceph has no more lets its volumes be deleted: the cluster says that they are gone', async () => {
    const keys = (role: string): string => `${site.directory}/keys/${role}`;
    const { controller, node } = cluster().users;
    const users = {
      controller: { id: controller.id, keyFile: keys('controller') },
      node: { id: node.id, keyFile: keys('node') },
    };
    const gone = { id: 'other', monitors: cluster().monitors, pools: [{ name: 'never-made' }], users };
    await site.writeClusters({}, { after: [gone] });
    const asked = { volumeId: 'other/never-made/berth-x', secrets: site.secrets() };
    // The file is read again within a second; until then the cluster is not in it.
    await expect
      .poll(() => one.controller.DeleteVolume(asked).then(() => 'deleted', String), { timeout: 60_000 })
      .toBe('deleted');
  });
});
