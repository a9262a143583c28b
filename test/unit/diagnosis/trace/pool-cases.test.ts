/** What the monitors report of pools, against a volume whose objects may or may not be there. */
import { describe, expect, it } from 'vitest';
import { printTrace } from '../../../../src/cli/trace/print-trace.js';
import { traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import { berthError } from '../../../../src/model/errors.js';
import { placementOf } from '../../../../src/rbd/placement.js';
import type { HealthCheck } from '../../../../src/rbd/port.js';
import { DEFAULT_SIZE } from '../../../../src/volume/image/volume-size.js';
import { traceFixture } from '../../../kube/trace-fixture.js';

const at = traceFixture();
/** So many that a volume of 256 objects is in few of them. */
const MANY = 65_536;
const OBJECT_BYTES = 4 * 2 ** 20;
const image = () => at.cluster.image('berth-v')!;
const first = async () => {
  await at.journal();
  const { traces } = await traceSubject(at.parts(), 'shop/data');
  return traces[0]!;
};
const reasons = async () => (await first()).breaks.map(({ reason }) => reason);

function tell(check: Partial<HealthCheck>): void {
  const whole = { code: 'PG_AVAILABILITY', says: 'Reduced data availability', detail: [], pools: [], groups: [] };
  at.cluster.rbd.healthNow = { status: 'HEALTH_WARN', checks: [{ ...whole, ...check }] };
}
const group = (seed: number, pool = 'rbd') => ({ id: `1.${seed.toString(16)}`, seed, of: MANY, pool });
function unread(): void {
  const error = () => berthError('BERTH_DEADLINE', { what: 'reading the image', ms: 30_000 });
  for (let i = 0; i < 4; i += 1) at.cluster.rbd.failNext('head', error);
}

describe('a placement group that does not serve', () => {
  it('is no break of a volume that can have no object in it', async () => {
    const data = Array.from({ length: Number(DEFAULT_SIZE) / OBJECT_BYTES }, (_, number) => number);
    const names = data.map((number) => `rbd_data.${image().id}.${number.toString(16).padStart(16, '0')}`);
    const own = ['rbd_header', 'rbd_object_map'].map((kind) => `${kind}.${image().id}`);
    const taken = new Set([...names, ...own, 'rbd_id.berth-v'].map((name) => placementOf(name, '', MANY)));
    const free = Array.from({ length: MANY }, (_, seed) => seed).find((seed) => !taken.has(seed))!;
    tell({ groups: [group(free)] });
    expect(await reasons()).toEqual([]);
    const last = placementOf(names.at(-1)!, '', MANY);
    tell({ groups: [group(free), group(last)], detail: [`pg 1.${last.toString(16)} of pool rbd is down`] });
    expect((await first()).breaks[0]?.says).toContain(`pg 1.${last.toString(16)} of pool rbd is down, where rbd_`);
  });

  it('with the directory of the pool is a break of a copy alone, which asks there for its parent', async () => {
    const directory = placementOf('rbd_directory', '', MANY);
    tell({ groups: [group(directory)], detail: [`pg 1.${directory.toString(16)} of pool rbd is down`] });
    expect(await reasons()).toEqual([]);
    const parts = at.parts();
    const describe = async (...asked: Parameters<typeof parts.images.describe>) => {
      const own = await parts.images.describe(...asked);
      return own && { ...own, parent: 'rbd/berth-origin@s' };
    };
    const { traces } = await traceSubject({ ...parts, images: { ...parts.images, describe } }, 'shop/data');
    expect(traces[0]?.breaks.map(({ reason }) => reason)).toEqual(['ObjectsUnavailable']);
    expect(traces[0]?.breaks[0]?.says).toContain('is down, where rbd_directory belongs; I/O there waits');
  });

  it('of another pool is none either', async () => {
    tell({ groups: [group(placementOf(`rbd_header.${image().id}`, '', MANY), 'other')] });
    expect(await reasons()).toEqual([]);
  });

  it('may have objects of a volume whose image cannot be read, and is told as the cause', async () => {
    unread();
    tell({ groups: [group(1)], detail: ['pg 1.1 of pool rbd is down'] });
    const { breaks } = await first();
    expect(breaks.map(({ reason }) => reason)).toEqual(['ObjectsUnavailable', 'CephSilent']);
    expect(breaks[0]?.says).toMatch(/^pg 1\.1 of pool rbd is down; I\/O there waits/);
  });
});

describe('OSDs that are down', () => {
  it('are told where the image was waited for in vain, and else not', async () => {
    tell({ code: 'OSD_DOWN', says: '1 osds down', detail: ['osd.0 (root=default,host=dev) is down'] });
    expect(await reasons()).toEqual([]);
    unread();
    const { breaks } = await first();
    expect(breaks[0]).toMatchObject({ reason: 'ObjectsUnavailable' });
    expect(breaks[0]?.says).toMatch(/^1 osds down; osd\.0 .* is down; I\/O there waits/);
  });
});

describe('an image', () => {
  const patience = async (): Promise<number[]> => {
    const { images } = at.parts();
    const waits: number[] = [];
    const readHolders: typeof images.readHolders = (volume, watchers, deadline) => {
      waits.push(deadline.remaining());
      return images.readHolders(volume, watchers, deadline);
    };
    await traceSubject(at.parts({ images: { ...images, readHolders } }), 'shop/data');
    return waits;
  };

  it.each(['OSD_DOWN', 'PG_AVAILABILITY'])('is not waited for to the end where monitors say %s', async (code) => {
    tell({ code });
    expect(Math.max(...(await patience()))).toBeLessThanOrEqual(5_000);
  });

  it('has all the time where they say nothing of that', async () => {
    tell({ code: 'POOL_NEARFULL' });
    expect(Math.max(...(await patience()))).toBeGreaterThan(5_000);
  });
});

describe('a pool that is full', () => {
  it('is a break of the volumes whose data it has, and of no others', async () => {
    const detail = ["pool 'ec' is full (no space)", "pool 'other' is full (no space)"];
    tell({ code: 'POOL_FULL', says: '2 pool(s) full', pools: ['ec', 'other'], detail });
    expect(await reasons()).toEqual([]);
    Object.assign(image().spec, { dataPool: 'ec' });
    const { breaks } = await first();
    expect(breaks).toMatchObject([{ reason: 'PoolFull' }]);
    expect(breaks[0]?.says).toMatch(/^pool 'ec' is full \(no space\); nobody writes there.*get-quota ec/);
  });

  it('that is only nearly so is none', async () => {
    tell({ code: 'POOL_NEARFULL', says: '1 pool(s) nearfull', pools: ['rbd'], detail: ["pool 'rbd' is nearfull"] });
    expect(await reasons()).toEqual([]);
  });
});

describe('monitors that do not say how the cluster is', () => {
  const silent = () => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor answers' });

  it('leave the image not wholly looked at', async () => {
    await at.journal();
    at.cluster.rbd.failNext('health', silent);
    const found = await traceSubject(at.parts(), 'shop/data');
    expect(found.traces[0]!.unseen).toEqual([
      { link: 'image', why: expect.stringMatching(/^BERTH_CLUSTER_UNREACHABLE/) as string, isFault: true },
    ]);
    expect(printTrace(found)).toMatch(/^broken {15}nothing of what was looked at; not looked at: image$/m);
  });

  it('are told once where the image cannot be read either', async () => {
    await at.journal();
    at.cluster.rbd.failNext('health', silent);
    unread();
    const { breaks, unseen } = await first();
    expect(breaks.map(({ reason }) => reason)).toEqual(['CephSilent']);
    expect(unseen).toEqual([]);
  });
});
