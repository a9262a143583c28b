/** What a large cluster's lists cost: nothing for other drivers' objects, and little for each of ours. */
import { execa } from 'execa';
import { expect, it } from 'vitest';
import path from 'node:path';
import { packageRoot } from '../../../src/model/package-root.js';
import { PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS } from '../../../src/kube/objects.js';
import { Attachments } from '../../../src/kube/volume-attachments.js';
import { createLog } from '../../../src/observe/log.js';
import { apiFixture, PVS, soon, until, VAS } from '../../kube/api-fixture.js';
import { persistentVolume, volumeAttachment } from '../../kube/large-cluster.js';
import type { MirrorMemory } from '../../kube/mirror-memory.js';

const at = apiFixture();
const OURS = 'rbd.csi.berth.dev';
const OTHER = 'ebs.csi.example.com';
const MB = 1024 * 1024;

function serve(driver: string, volumes: number, attachments: number): void {
  const handle = (index: number): string => `ceph-1/kube/csi-vol-${String(index).padStart(40, '0')}`;
  const pvs = { count: volumes, make: (index: number) => persistentVolume(index, driver, handle(index)) };
  const name = (index: number): string => pvs.make(index % volumes).metadata.name;
  const make = (index: number) => volumeAttachment(index, driver, name(index), `worker-${index % 2_000}`);
  at.server.generated.set(PVS, pvs);
  at.server.generated.set(VAS, { count: attachments, make });
}

/** As the controller of `OURS` mirrors it, with so much heap in MB. */
async function mirrored(heap: number): Promise<MirrorMemory> {
  const program = path.join(packageRoot(), 'dist/test/kube/mirror-memory.js');
  const args = ['--expose-gc', `--max-old-space-size=${heap}`, program, at.server.url, OURS];
  const { stdout } = await execa(process.execPath, args);
  return JSON.parse(stdout) as MirrorMemory;
}

it('the stand-in serves 15,000 objects of real size page by page, and each by its name', async () => {
  serve(OURS, 7_500, 7_500);
  for (const [resource, least, most] of [
    [PERSISTENT_VOLUMES, 2_000, 4_000],
    [VOLUME_ATTACHMENTS, 900, 2_000],
  ] as const) {
    const sizes: number[] = [];
    const names: string[] = [];
    const versions = new Set<string>();
    for await (const { items, resourceVersion } of at.api.pages(resource, soon)) {
      versions.add(resourceVersion);
      names.push(...items.map(({ metadata }) => metadata.name));
      sizes.push(...items.map((one) => JSON.stringify(one).length));
    }
    expect([names.length, new Set(names).size, versions.size]).toEqual([7_500, 7_500, 1]);
    expect(Math.min(...sizes)).toBeGreaterThan(least);
    expect(Math.max(...sizes)).toBeLessThan(most);
    for (const name of [names[0]!, names[4_711]!, names.at(-1)!])
      expect((await at.api.get(resource, name, soon()))?.metadata.name).toBe(name);
    for (const name of ['', 'pvc-0004711', 'z'])
      expect(await at.api.get(resource, `${name}-none`, soon())).toBeUndefined();
  }
});

it('a mirror of 5,000 volumes goes on from a bookmark, without a list, when what it listed is forgotten', async () => {
  serve(OURS, 5_000, 5_000);
  const attachments = new Attachments(at.api, OURS, createLog('silent'));
  const lists = () => at.server.asked.filter(({ url }) => url.includes('limit=')).length;
  attachments.start();
  try {
    expect(await attachments.isFresh(soon())).toBe(true);
    await until('both watches', () => at.server.openWatches === 2);
    const before = lists();
    at.server.pass(1_000);
    at.server.bookmark();
    at.server.compact();
    const changed = volumeAttachment(7, OURS, 'pv-of-another', 'worker-7');
    at.server.put(VAS, changed);
    const shown = () => attachments.all().find(({ name }) => name === changed.metadata.name)?.pv;
    await until('the change', () => shown() === 'pv-of-another');
    at.server.tear();
    at.server.put(VAS, volumeAttachment(7, OURS, 'pv-of-a-third', 'worker-7'));
    await until('the next change', () => shown() === 'pv-of-a-third');
    expect(lists()).toBe(before);
  } finally {
    attachments.stop();
  }
});

it('a mirror of 8,000 volumes of another driver keeps nothing of them, and needs 32 MB of heap', async () => {
  serve(OTHER, 8_000, 8_000);
  const { fresh, attachments, before, after } = await mirrored(32);
  expect({ fresh, attachments }).toEqual({ fresh: true, attachments: 0 });
  expect((after - before) / MB).toBeLessThan(2);
});

it('a mirror of 5,000 attached volumes keeps at most 1.2 KB of each', async () => {
  serve(OURS, 5_000, 5_000);
  const { fresh, attachments, before, after } = await mirrored(48);
  expect({ fresh, attachments }).toEqual({ fresh: true, attachments: 5_000 });
  expect((after - before) / 5_000).toBeLessThan(1_200);
});

it('a mirror of 5,000 volumes is complete although the API server restarts in the middle of its lists', async () => {
  serve(OURS, 5_000, 5_000);
  const attachments = new Attachments(at.api, OURS, createLog('silent'));
  const pages = () => at.server.asked.filter(({ url }) => url.startsWith(VAS) && url.includes('continue=')).length;
  attachments.start();
  try {
    await until('its second page', () => pages() > 0);
    await at.server.stop();
    await at.server.start();
    expect(await attachments.isFresh(soon())).toBe(true);
    expect(attachments.all()).toHaveLength(5_000);
    expect(new Set(attachments.all().map(({ name }) => name)).size).toBe(5_000);
  } finally {
    attachments.stop();
  }
});

it('a mirror of 5,000 volumes is complete although its pages grow too old in the middle, slowly answered', async () => {
  serve(OURS, 5_000, 5_000);
  at.server.slowMs = 20;
  const attachments = new Attachments(at.api, OURS, createLog('silent'));
  const first = () => at.server.asked.filter(({ url }) => url.startsWith(VAS) && !url.includes('continue=')).length;
  const pages = () => at.server.asked.filter(({ url }) => url.startsWith(VAS) && url.includes('continue=')).length;
  attachments.start();
  try {
    await until('its fifth page', () => pages() > 4);
    at.server.pass(10);
    at.server.compact();
    expect(await attachments.isFresh(soon())).toBe(true);
    expect(attachments.all()).toHaveLength(5_000);
    expect(first()).toBeGreaterThan(1);
  } finally {
    attachments.stop();
  }
});
