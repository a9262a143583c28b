/**
 * Volumes on long chains are made to stand alone behind the calls: their data is what it was, whoever writes beside it,
 * and nothing of what they stood on is left. BERTH_CHAIN copies of copies in a row are no error to anybody.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { imageSpec } from '../../../src/model/volume-id.js';
import type { CopySlice, NewClone } from '../../../src/rbd/port/clone-port.js';
import type { ImageRef } from '../../../src/rbd/port.js';
import { extentsFrom } from '../../../src/volume/controller/flatten/extent-parts.js';
import { FLATTENS_METRIC } from '../../../src/volume/controller/flatten/flattens.js';
import { BACKGROUND_STEPS } from '../../../src/volume/operation/steps.js';
import { counted } from '../../fakes/counted.js';
import { accessAs, admin, barePool } from '../ceph.js';
import { startLibrbd } from '../rbd/librbd.js';
import { soon, spec } from '../rbd/port.contract.js';
import { block, MiB } from './capabilities.js';
import type { Driver } from './driver.js';
import { change } from './block-streams.js';
import { FlatteningController } from './flattening-controller.js';
import { GarbageSearch } from './garbage-search.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

const { BERTH_CHAIN } = process.env;
const LENGTH = Number(BERTH_CHAIN ?? 4);
/** A longer chain is asked for by whoever has time; else the limits are as much shorter. */
const ALL = BERTH_CHAIN !== undefined;
const LIMITS = ALL ? {} : { BERTH_CHAIN_LIMITS: '2,3' };
const DEATH_MS = 60_000;
/** The image stands alone, and its parent does not know. */
const DANGEROUS = ['forget clone'];
const SIZE = 32 * MiB;
const PATIENT = { timeout: 120_000, interval: 200 };
let site: Site;
let driver: Driver;
const port = startLibrbd();

beforeAll(async () => {
  site = await Site.open('flatten');
  driver = await site.driver('one', { services: 'controller', env: LIMITS }).start();
});
afterAll(async () => {
  await port.close();
  await site.close();
});

const place = () => ({ access: accessAs('controller'), pool: site.pool, namespace: site.namespace });
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await site.rbd(...args, '--format', 'json')) as T;
const parentOf = async (image: string) => (await json<{ parent?: { image: string } }>('info', image)).parent?.image;

/** Of all bytes, as another client reads them. */
async function sum(image: string): Promise<string> {
  const file = path.join(site.directory, 'export');
  await site.rbd('export', '--no-progress', image, file);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  await rm(file);
  return hash.digest('hex');
}
const write = (image: string, total: string, ...more: string[]): Promise<string> =>
  site.rbd('bench', '--io-type', 'write', '--io-size', '64K', '--io-total', total, ...more, image);

/** As another controller. */
async function finish(): Promise<void> {
  const next = new FlatteningController(site.clustersFile);
  try {
    await next.finish(site.pool, site.namespace);
  } finally {
    await next.close();
  }
}

async function copyOf(on: Driver, source: Volume, name = site.unique()): Promise<Volume> {
  const request = site.request(block(), { sizeBytes: SIZE, name });
  const asked = { ...request, volumeContentSource: { volume: { volumeId: source.id } } };
  const { volume } = await on.controller.CreateVolume(asked);
  return site.adopt(volume!.volumeId, block(), driver);
}

describe('copies of copies', () => {
  const chain: Volume[] = [];
  const sums: string[] = [];
  beforeAll(async () => {
    const { volume } = await driver.controller.CreateVolume(site.request(block(), { sizeBytes: SIZE }));
    chain.push(site.adopt(volume!.volumeId, block(), driver));
    await write(chain[0]!.image, '3M', '--io-pattern', 'rand');
    sums.push(await sum(chain[0]!.image));
  });
  afterAll(async () => {
    for (const volume of chain.toReversed()) await volume.end();
    await finish();
  });

  it.each(ALL ? BACKGROUND_STEPS.flatten : DANGEROUS)(
    'its controller is killed at "%s": the next one ends it, with all data, and nothing is left',
    async (step) => {
      const source = chain[0]!;
      const dying = await site
        .driver(`dies-${step.replaceAll(' ', '-')}`, { services: 'controller', env: { BERTH_CHAIN_LIMITS: '1,12' } })
        .start('ready', { BERTH_CRASH_AT: `flatten:${step}` });
      const name = site.unique();
      const copy = await copyOf(dying, source, name).catch(() => undefined);
      expect(await dying.death(DEATH_MS)).toBe('SIGKILL');
      await finish();
      // The answer may have been lost with its controller.
      const made = copy ?? (await copyOf(driver, source, name));
      expect(await parentOf(made.image)).toBeUndefined();
      expect(await sum(made.image)).toBe(sums[0]);
      await made.end();
      expect(await remains()).toEqual([]);
    },
  );

  it('its source cannot be opened: it is not cut from it, and stands alone when that can be', async () => {
    const source = chain[0]!;
    const copy = await copyOf(driver, source);
    const idOf = async (image: string): Promise<string> => (await json<{ id: string }>('info', image)).id;
    const { pool, namespace } = site;
    const listed = { pool, namespace, imageId: await idOf(copy.image), volume: copy.id };
    const next = new FlatteningController(site.clustersFile);
    onTestFinished(() => next.close());
    await next.flattens.enlist('dev', listed, undefined, soon());
    const header = `rbd_header.${await idOf(source.image)}`;
    const file = path.join(site.directory, 'size');
    const sized = (verb: string, ...more: string[]): Promise<string> =>
      admin().rados(['--pool', pool, '--namespace', namespace, verb, header, 'size', ...more], soon());
    await sized('getomapval', file);
    await sized('rmomapkey');
    try {
      next.flattens.begin('dev', listed, undefined);
      await expect.poll(() => counted(next.counters, FLATTENS_METRIC, { what: 'failed' }), PATIENT).toBe(1);
    } finally {
      await sized('setomapval', '--input-file', file);
    }
    expect(await parentOf(copy.image)).toBeDefined();
    expect(await sum(copy.image)).toBe(sums[0]);
    await finish();
    expect(await parentOf(copy.image)).toBeUndefined();
    expect(await sum(copy.image)).toBe(sums[0]);
    await copy.end();
  });

  it(`${LENGTH} in a row: no create fails, each has its data, none stands on too many`, async () => {
    for (let n = 1; n < LENGTH; n += 1) {
      const copy = await copyOf(driver, chain.at(-1)!);
      chain.push(copy);
      if (n % 3 === 0) await write(copy.image, '256K', '--io-pattern', 'rand');
      sums.push(await sum(copy.image));
    }
    const last = await copyOf(driver, chain.at(-1)!);
    const depthOf = async (image: string): Promise<number> => {
      const parent = await parentOf(image);
      return parent === undefined ? 0 : 1 + (await depthOf(`${site.pool}/${site.namespace}/${parent}`));
    };
    await expect.poll(() => depthOf(last.image), PATIENT).toBeLessThan(ALL ? 6 : 2);
    expect(await sum(last.image)).toBe(sums.at(-1));
    await last.end();
    // Whoever is on the list still stands on more than the limit, however quick this machine is.
    await finish();
    for (const [n, one] of chain.entries()) expect(await sum(one.image), one.id).toBe(sums[n]);
    for (const { image } of chain) expect(await depthOf(image)).toBeLessThanOrEqual(ALL ? 12 : 3);
    expect(await remains()).toEqual([]);
  });

  /** Snapshots that were cut for copies which stand on them no more, and what nothing explains. */
  async function remains(): Promise<readonly string[]> {
    await site.purged();
    const found: string[] = [];
    for (const [n, { image }] of chain.entries()) {
      const cuts = await json<{ id: number }[]>('snap', 'ls', '--all', image);
      const clones = n + 1 < chain.length && (await parentOf(chain[n + 1]!.image)) !== undefined ? 1 : 0;
      if (cuts.length > clones) found.push(`${image}: ${JSON.stringify(cuts)}`);
    }
    const garbage = new GarbageSearch(site.clustersFile);
    try {
      return [...found, ...(await garbage.report())];
    } finally {
      await garbage.close();
    }
  }
});

describe('data of a parent, given to its clone', () => {
  let used = 0;
  const shapeOf = (change: Parameters<typeof spec>[0]): NewClone => {
    const { features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool } = spec(change);
    return { features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool };
  };
  /** A clone of a source with some data; the image may be of any shape. */
  async function clone(ofSource: Parameters<typeof spec>[0] = {}, ofClone = ofSource, { access } = place()) {
    const at = (image: string): ImageRef => ({ ...place(), access, image });
    const [source, child] = [at(`source-${++used}`), at(`clone-${used}`)];
    const shape = shapeOf(ofClone);
    await port.createImage(source, spec({ sizeBytes: BigInt(SIZE), ...ofSource }), soon());
    await write(imageSpec(source), '5M', '--io-pattern', 'rand');
    await port.createSnapshot(source, 'cut', soon());
    const { pool, namespace, image } = source;
    const id = await port.cloneImage(child, { pool, namespace, image, snapshot: 'cut' }, shape, soon());
    return { source, child, id, image: imageSpec(child) };
  }
  const nobody = { key: 'holder', value: undefined };
  const none = new BigUint64Array();
  /** What it has of its parent, all in one part: none of these images has more. */
  async function extentsOf(at: ImageRef, id: string): Promise<BigUint64Array> {
    const part = (await port.parentExtents(at, id, 0n, soon()))!;
    if ('obstacle' in part) throw new Error(part.obstacle);
    expect(part.next).toBeUndefined();
    return part.extents;
  }
  const copyUp = async (at: ImageRef, id: string) =>
    port.copyUp(at, id, await extentsOf(at, id), nobody, 30_000, soon());
  async function cut(at: ImageRef, id: string): Promise<void> {
    const parent = (await port.parentById(at, id, soon()))!;
    expect(await port.cutLink(at, id, nobody, soon())).toBe('cut');
    expect(await port.forgetClone(at, id, parent, soon())).toBe(true);
  }
  async function end({ source, child }: { source: ImageRef; child: ImageRef }): Promise<void> {
    await site.rbd('rm', '--no-progress', imageSpec(child));
    await site.rbd('snap', 'rm', '--no-progress', `${imageSpec(source)}@cut`);
    await site.rbd('rm', '--no-progress', imageSpec(source));
  }

  const SHAPES = [
    ['that is striped', { objectSizeBytes: 1_048_576, stripeUnitBytes: 65_536, stripeCount: 4 }, undefined],
    ['without an exclusive lock', { features: ['layering'] }, undefined],
    ['of usual images', {}, undefined],
    ['without an object map', { features: ['layering', 'exclusive-lock', 'deep-flatten'] }, undefined],
    ['in objects of another size', {}, { objectSizeBytes: 1_048_576 }],
  ] as const;

  it.each(ALL ? SHAPES : SHAPES.slice(0, 1))('%s is all there when the link is cut', async (_, ofSource, ofClone) => {
    const made = await clone(ofSource, ofClone);
    const { source, child, id, image } = made;
    await write(image, '192K', '--io-pattern', 'rand');
    const before = await sum(image);
    expect(await copyUp(child, id)).toEqual({ next: undefined });
    await cut(child, id);
    // What it stood on goes, every object of it.
    await site.rbd('snap', 'rm', '--no-progress', `${imageSpec(source)}@cut`);
    await site.rbd('rm', '--no-progress', imageSpec(source));
    expect(await sum(image)).toBe(before);
    expect(await json<{ op_features: string[] }>('info', image)).toMatchObject({ op_features: [] });
    await site.rbd('rm', '--no-progress', image);
  });

  it('whose own data goes to another pool is all there when the link is cut', async () => {
    const data = await barePool('flat-data', [site.pool]);
    onTestFinished(() => data.remove());
    const made = await clone({}, { dataPool: data.pool }, data);
    const { child, id, image } = made;
    const before = await sum(image);
    expect(await copyUp(child, id)).toEqual({ next: undefined });
    await cut(child, id);
    const objects = await admin().rados(['--pool', data.pool, '--namespace', site.namespace, 'ls'], soon());
    expect(objects).toContain('rbd_data.');
    const { source } = made;
    await site.rbd('snap', 'rm', '--no-progress', `${imageSpec(source)}@cut`);
    await site.rbd('rm', '--no-progress', imageSpec(source));
    expect(await sum(image)).toBe(before);
    await site.rbd('rm', '--no-progress', image);
  });

  it('is copied where the object map tells of an object that never came', async () => {
    const made = await clone();
    const { child, id, image } = made;
    const before = await sum(image);
    const { block_name_prefix: prefix } = await json<{ block_name_prefix: string }>('info', image);
    const where = ['--pool', site.pool, '--namespace', site.namespace];
    // Told of by the map, and gone: as after a power loss between the two.
    expect(await copyUp(child, id)).toEqual({ next: undefined });
    const names = await admin().rados([...where, 'ls'], Deadline.after(20_000));
    const objects = names.split('\n').filter((name) => name.startsWith(`${prefix}.`));
    expect(objects.length).toBeGreaterThan(0);
    for (const name of objects) await admin().rados([...where, 'rm', name], Deadline.after(20_000));
    expect(await sum(image)).toBe(before);
    expect(await copyUp(child, id)).toEqual({ next: undefined });
    await cut(child, id);
    expect(await sum(image)).toBe(before);
    await end(made);
  });

  it('comes in slices, beside a writer who finds all that he wrote', async () => {
    const made = await clone({ objectSizeBytes: 65_536 });
    const { source, child, id, image } = made;
    const { pool, namespace } = source;
    const control: ImageRef = { ...place(), image: `control-${used}` };
    const shape = shapeOf({ objectSizeBytes: 65_536 });
    const from = { pool, namespace, image: source.image, snapshot: 'cut' };
    await port.cloneImage(control, from, shape, soon());
    const changes = Array.from({ length: 300 }, (_, n) => {
      const at = ((n * 7) % 80) * 65_536 + (n % 5) * 4096;
      return n % 3 === 2 ? { discard: true as const, at, bytes: 65_536 } : { fill: (n % 250) + 1, at, bytes: 4096 };
    });
    const extents = await extentsOf(child, id);
    const writing = change(site, image, SIZE, changes);
    const seen = new Set<string>();
    const through = async (ms: number): Promise<void> => {
      for (let rest = extents; rest.length > 0; ) {
        const slice: CopySlice = (await port.copyUp(child, id, rest, nobody, ms, soon()))!;
        seen.add('obstacle' in slice ? slice.obstacle : 'copied');
        if (!('obstacle' in slice)) rest = slice.next === undefined ? none : extentsFrom(rest, slice.next);
      }
    };
    await Promise.all([writing, through(2_000)]);
    // Behind the writer, whatever that found.
    await through(5);
    for (const one of seen) expect(['copied', 'open']).toContain(one);
    await change(site, imageSpec(control), SIZE, changes);
    const wanted = await sum(imageSpec(control));
    expect(await sum(image)).toBe(wanted);
    await cut(child, id);
    expect(await sum(image)).toBe(wanted);
    await site.rbd('rm', '--no-progress', imageSpec(control));
    await end(made);
  });
});
