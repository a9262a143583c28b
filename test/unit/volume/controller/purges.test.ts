/** Purges: what goes at once, what waits and for what, and who of several controllers does it. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { berthError } from '../../../../src/model/errors.js';
import { Counters } from '../../../../src/observe/metrics.js';
import { GentleSlices } from '../../../../src/volume/controller/delete/gentle-slices.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { DELETED_KEY, type DeletedRecord } from '../../../../src/volume/controller/delete/deleted-record.js';
import { deleteVolume } from '../../../../src/volume/controller/delete/delete-volume.js';
import { Purges, PURGED_BYTES_METRIC, PURGES_METRIC } from '../../../../src/volume/controller/delete/purges.js';
import { SlicePace } from '../../../../src/volume/controller/delete/slice-pace.js';
import { GROWTH_KEY } from '../../../../src/volume/image/growth-record.js';
import { deletedName } from '../../../../src/volume/image/image-name.js';
import type { MemoryImage } from '../../../fakes/rbd-memory.js';
import { creation, GiB, memoryCluster, MiB, noSecrets, soon } from './memory-cluster.js';
import { createParts, deleteParts, log } from './use-case-parts.js';
import { counted } from '../../../fakes/counted.js';

const cluster = memoryCluster();
let counters: Counters;
let controllers: Purges[];
let clock: number;
let idleMs: () => number;
const now = (): Date => new Date(clock);

function controller(by = 'one', width = 2): Purges {
  const { rbd, clusters } = cluster;
  const slices = new GentleSlices(() => idleMs());
  const purges = new Purges({ rbd, longWork: rbd, clusters, counters, log, by, now, slices }, width);
  controllers.push(purges);
  return purges;
}

/** All that a start does. */
async function round(purges: Purges): Promise<void> {
  await purges.round();
  await purges.idle();
}

/** Deleted by a driver that died before it purged anything. */
async function deleted(name = 'v', parameters: Record<string, string> = {}): Promise<MemoryImage> {
  await createVolume(createParts(cluster), creation(name, { parameters }), soon());
  const namespace = parameters['radosNamespace'] ?? '';
  const image = cluster.image(`berth-${name}`, 'rbd', namespace)!;
  const parts = { ...deleteParts(cluster), now, purges: { begin: () => undefined } };
  const handle = ['c1/rbd', ...(namespace === '' ? [] : [namespace]), `berth-${name}`].join('/');
  await deleteVolume(parts, handle, noSecrets, soon());
  return image;
}

const isThere = ({ id }: MemoryImage): boolean =>
  [cluster.image(deletedName(id)), cluster.image(deletedName(id), 'rbd', 'team')].some((one) => one !== undefined);
const recordOf = ({ metadata }: MemoryImage) => JSON.parse(metadata.get(DELETED_KEY)!) as DeletedRecord;
const asked = (operation: string): number => cluster.rbd.calls.filter((one) => one.operation === operation).length;

beforeEach(() => {
  counters = new Counters();
  controllers = [];
  idleMs = () => Number.POSITIVE_INFINITY;
  clock = Date.now();
});
afterEach(async () => {
  await Promise.all(controllers.map((one) => one.stop()));
});

describe('a purge', () => {
  it('finds what drivers left that died after a delete, in every place, and counts it', async () => {
    const images = [await deleted('a'), await deleted('b'), await deleted('c', { radosNamespace: 'team' })];
    await createVolume(createParts(cluster), creation('stays'), soon());
    await round(controller());
    expect(images.some(isThere)).toBe(false);
    expect(cluster.image('berth-stays')).toBeDefined();
    expect(await counted(counters, PURGES_METRIC, { what: 'purged' })).toBe(3);
    expect(await counted(counters, PURGED_BYTES_METRIC)).toBe(Number(3n * GiB));
  });

  it('of an image without an end in sight goes in slices, each a call of its own', async () => {
    const image = await deleted();
    image.sizeBytes = 4096n * 4n * MiB;
    const sizes = vi.spyOn(cluster.rbd, 'cutTo');
    await round(controller());
    expect(isThere(image)).toBe(false);
    expect(sizes.mock.calls.length).toBeGreaterThan(1);
    expect(sizes.mock.calls.at(-1)![1]).toBe(128n * 4n * MiB);
  });

  it.each<[string, (one: MemoryImage) => void, (one: MemoryImage) => void]>([
    ['snapshots', (one) => one.snapshots.push('s'), (one) => (one.snapshots = [])],
    ['a watcher', (one) => one.watchers.push({ address: '10.0.0.9:0/1', client: 9n }), (one) => (one.watchers = [])],
    ['a group', (one) => void (one.group = 'g'), (one) => (one.group = undefined)],
    [
      'an advisory lock',
      (one) => one.locks.push({ id: 'l', locker: 'client.1', address: '' }),
      (one) => (one.locks = []),
    ],
  ])('waits for %s, touches nothing, and goes on when it is told to look again', async (_what, use, leave) => {
    const image = await deleted();
    use(image);
    const purges = controller();
    await round(purges);
    expect(isThere(image)).toBe(true);
    expect(recordOf(image).purge).toBeUndefined();
    expect(asked('cutTo') + asked('remove')).toBe(0);
    expect(await counters.text()).toContain('berth_deleted_volumes{state="waiting"} 1');
    leave(image);
    purges.lookAgain('c1', image.id);
    await purges.idle();
    expect(isThere(image)).toBe(false);
  });

  it('removes the snapshot that guarded a growth with the rest, and waits for any other', async () => {
    const images = [await deleted('a'), await deleted('b')] as const;
    for (const { id, metadata, snapshots } of images) {
      const subject = { imageId: id, fsid: cluster.rbd.fsid };
      const growth = { version: 1, ...subject, state: 'grown', snapshot: 'berth-growth-1', size: '1', mounts: '0' };
      metadata.set(GROWTH_KEY, JSON.stringify({ ...growth, tries: 1, node: 'n', since: '' }));
      snapshots.push('berth-growth-1');
    }
    images[1].snapshots.push('a-persons');
    await round(controller());
    expect(images.map(isThere)).toEqual([false, true]);
    expect(images[1].snapshots).toEqual(['berth-growth-1', 'a-persons']);
  });

  it('of a clone has the image looked at again that it was cloned from', async () => {
    const [parent, child] = [await deleted('parent'), await deleted('child')];
    parent.snapshots.push('trash');
    child.parentId = parent.id;
    const real = cluster.rbd.remove.bind(cluster.rbd);
    vi.spyOn(cluster.rbd, 'remove').mockImplementation((...given) => {
      parent.snapshots = [];
      return real(...given);
    });
    const purges = controller('one', 1);
    await round(purges);
    await purges.idle();
    expect([parent, child].some(isThere)).toBe(false);
  });

  it('waits until the time is over for which the volume is kept', async () => {
    const image = await deleted('kept', { deleteRetention: '1h' });
    await round(controller());
    expect(isThere(image)).toBe(true);
    clock += 3_601_000;
    await round(controller());
    expect(isThere(image)).toBe(false);
  });

  it('leaves an image alone whose name says that it is deleted and whose record does not', async () => {
    const image = await deleted();
    image.metadata.delete(DELETED_KEY);
    const copy = await deleted('copy');
    copy.metadata.set(DELETED_KEY, JSON.stringify({ ...recordOf(copy), imageId: 'another' }));
    await round(controller());
    expect([image, copy].every(isThere)).toBe(true);
  });

  it('leaves an image alone that is being brought back', async () => {
    const image = await deleted();
    image.metadata.set(DELETED_KEY, JSON.stringify({ ...recordOf(image), restoring: true }));
    await round(controller());
    expect(isThere(image)).toBe(true);
  });

  it('leaves an image to the controller that has it, and goes on when that has not been heard of', async () => {
    const image = await deleted();
    const purge = { by: 'other', until: new Date(clock + 20_000).toISOString() };
    image.metadata.set(DELETED_KEY, JSON.stringify({ ...recordOf(image), purge }));
    await round(controller());
    expect(isThere(image)).toBe(true);
    clock += 21_000;
    await round(controller());
    expect(isThere(image)).toBe(false);
  });

  it('loses to whoever brings the volume back between its look and its lease', async () => {
    const image = await deleted();
    const real = cluster.rbd.usersOf.bind(cluster.rbd);
    vi.spyOn(cluster.rbd, 'usersOf').mockImplementationOnce(async (...given) => {
      image.metadata.set(DELETED_KEY, JSON.stringify({ ...recordOf(image), restoring: true }));
      return real(...given);
    });
    await round(controller());
    expect(isThere(image)).toBe(true);
    expect(asked('remove')).toBe(0);
  });

  it('by two controllers at once removes each image once', async () => {
    const images = [await deleted('a'), await deleted('b'), await deleted('c')];
    await Promise.all([round(controller('one')), round(controller('two'))]);
    await Promise.all([round(controller('one')), round(controller('two'))]);
    clock += 31_000;
    await round(controller('three'));
    expect(images.some(isThere)).toBe(false);
    expect(asked('remove')).toBe(3);
  });

  it('that fails is tried again, and does not hold up the others', async () => {
    const images = [await deleted('a'), await deleted('b')];
    cluster.rbd.failNext('remove', () => berthError('BERTH_WORKER_DIED', { how: 'SIGKILL', what: 'remove' }));
    const purges = controller('one', 1);
    await round(purges);
    expect(images.filter(isThere)).toHaveLength(1);
    expect(await counted(counters, PURGES_METRIC, { what: 'failed' })).toBe(1);
    for (const { id } of images) purges.lookAgain('c1', id);
    await purges.idle();
    expect(images.some(isThere)).toBe(false);
  });

  it('that is stopped between slices gives its lease back: another controller goes on at once', async () => {
    const image = await deleted();
    image.sizeBytes = 4096n * 4n * MiB;
    const first = controller('one');
    const real = cluster.rbd.cutTo.bind(cluster.rbd);
    vi.spyOn(cluster.rbd, 'cutTo').mockImplementationOnce(async (...given) => {
      void first.stop();
      return real(...given);
    });
    await round(first);
    expect(isThere(image)).toBe(true);
    expect(image.sizeBytes).toBeLessThan(4096n * 4n * MiB);
    await round(controller('two'));
    expect(isThere(image)).toBe(false);
  });

  it('of several goes on beside the others while nobody calls, and alone while calls come', async () => {
    let running = 0;
    let most = 0;
    const real = cluster.rbd.cutTo.bind(cluster.rbd);
    vi.spyOn(cluster.rbd, 'cutTo').mockImplementation(async (...given) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      await real(...given);
      running -= 1;
    });
    const purgeThree = async (): Promise<number> => {
      const images = await Promise.all(['a', 'b', 'c'].map((name) => deleted(name)));
      most = 0;
      await round(controller('one', 3));
      expect(images.some(isThere)).toBe(false);
      return most;
    };
    expect(await purgeThree()).toBe(3);
    idleMs = () => 0;
    expect(await purgeThree()).toBe(1);
  });

  it('finishes a removal that was cut short in the trash', async () => {
    cluster.rbd.cutShort.add('rbd/berth-deleted-cut0cafe');
    cluster.rbd.cutShort.add('rbd/of-somebody-else');
    await round(controller());
    expect([...cluster.rbd.cutShort]).toEqual(['rbd/of-somebody-else']);
  });

  it('costs two operations a place where nothing was deleted', async () => {
    await round(controller());
    expect(cluster.rbd.calls.map(({ operation }) => operation)).toEqual(
      Array.from({ length: 3 }, () => ['interruptedRemovals', 'list']).flat(),
    );
  });
});

describe('the pace of slices', () => {
  const sizes = (gib: bigint, ms: (objects: number) => number): readonly number[] => {
    const pace = new SlicePace(gib * GiB, 4 * 2 ** 20);
    const steps: number[] = [];
    let before = Number(gib * 256n);
    for (let size = pace.next(); size !== undefined; size = pace.next()) {
      const objects = Number(size / (4n * MiB));
      pace.took(ms(before - objects), 125);
      steps.push(before - objects);
      before = objects;
    }
    return steps;
  };

  it('goes through 16 TiB of nothing in a dozen steps', () => {
    expect(sizes(16_384n, () => 5).length).toBeLessThan(13);
  });

  it('comes to slices of an eighth of a second, on a fast cluster as on a slow one', () => {
    expect(sizes(1_000n, (objects) => objects / 16).at(-2)).toBeGreaterThan(1_000);
    expect(sizes(16n, (objects) => objects * 10).at(-2)).toBeLessThan(40);
  });

  it('removes a small image at once', () => {
    expect(sizes(1n, () => 1).length).toBeLessThan(2);
  });
});
