/** Deleted volumes come back: whole or not at all, under the old name or another, also when a call was cut short. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import { berthError } from '../../../../src/model/errors.js';
import { Counters } from '../../../../src/observe/metrics.js';
import { GentleSlices } from '../../../../src/volume/controller/delete/gentle-slices.js';
import { attachVolume } from '../../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { DELETED_KEY, parseDeleted } from '../../../../src/volume/controller/delete/deleted-record.js';
import { deleteVolume } from '../../../../src/volume/controller/delete/delete-volume.js';
import { Purges } from '../../../../src/volume/controller/delete/purges.js';
import {
  listDeletedVolumes,
  stateOf,
  undeleteVolume,
} from '../../../../src/volume/controller/delete/undelete-volume.js';
import { deletedName } from '../../../../src/volume/image/image-name.js';
import { parseVolumeRecord } from '../../../../src/volume/image/volume-record.js';
import type { MemoryImage } from '../../../fakes/rbd-memory.js';
import { creation, GiB, memoryCluster, mounted, noSecrets, place, soon } from './memory-cluster.js';
import { attachParts, createParts, deleteParts, log } from './use-case-parts.js';

const VOLUME = 'c1/rbd/berth-v';
const cluster = memoryCluster();
let image: MemoryImage;

const create = () =>
  createVolume(createParts(cluster), creation('v', { parameters: { deleteRetention: '72h' } }), soon());
const remove = (volume = VOLUME) =>
  deleteVolume({ ...deleteParts(cluster), purges: { begin: () => undefined } }, volume, noSecrets, soon());
const undelete = (more: { id?: string; as?: string; volume?: string } = {}) =>
  undeleteVolume(cluster, { volume: VOLUME, id: undefined, as: undefined, ...more }, soon());
const attach = async (volume = VOLUME): Promise<void> => {
  const parts = attachParts(cluster);
  const registered = { version: 1, node: 'a', bootId: 'b', driver: '0', mappers: [], seen: '' } as const;
  await parts.nodes.register(place(), registered, soon());
  const request = { volume, node: 'a', capability: mounted, readOnly: false, secrets: noSecrets };
  await attachVolume(parts, request, soon());
};

beforeEach(async () => {
  await create();
  image = cluster.image('berth-v')!;
  await remove();
});

describe('undelete', () => {
  it('lists what was deleted, with its handle, its size and what keeps it', async () => {
    const [found, ...more] = await listDeletedVolumes(cluster, soon());
    expect(more).toEqual([]);
    expect(found).toMatchObject({ id: image.id, sizeBytes: GiB, record: { volume: VOLUME } });
    expect(stateOf(found!.record, new Date('2026-01-03'))).toBe('kept until 2026-01-05T03:04:05.000Z');
    expect(stateOf(found!.record, new Date('2026-02-01'))).toMatch(/goes when nothing needs it/);
  });

  it('brings a volume back under its name: whole, claimed by nobody, to be attached and deleted as ever', async () => {
    expect(await undelete()).toEqual({ volume: VOLUME, sizeBytes: GiB, fsType: undefined, isRaw: false });
    expect(cluster.image('berth-v')).toBe(image);
    expect(image.metadata.has(HOLDER_KEY)).toBe(false);
    expect(image.metadata.has(DELETED_KEY)).toBe(false);
    await attach();
    image.metadata.delete(HOLDER_KEY);
    await remove();
    expect(cluster.image(deletedName(image.id))).toBe(image);
  });

  it('brings a volume back under another name, whose record is its own there', async () => {
    await create();
    await expect(undelete()).rejects.toThrow(/BERTH_UNDELETE_REFUSED.*rbd\/berth-v is another image's.*--as/);
    expect(cluster.image(deletedName(image.id))).toBe(image);
    expect(await undelete({ as: 'rescued' })).toMatchObject({ volume: 'c1/rbd/rescued' });
    expect(cluster.image('rescued')).toBe(image);
    expect(parseVolumeRecord(image.metadata, 'c1/rbd/rescued')).toMatchObject({ name: 'v' });
    await attach('c1/rbd/rescued');
    image.metadata.delete(HOLDER_KEY);
    await remove('c1/rbd/rescued');
    expect(cluster.image(deletedName(image.id))).toBe(image);
  });

  it('asks which one is meant where several had the handle', async () => {
    await create();
    const second = cluster.image('berth-v')!;
    await remove();
    await expect(undelete()).rejects.toThrow(new RegExp(`--id: .*${image.id}`));
    await undelete({ id: second.id });
    expect(cluster.image('berth-v')).toBe(second);
  });

  it.each([
    [{ volume: 'c1/rbd/berth-never' }, 'BERTH_VOLUME_NOT_FOUND'],
    [{ volume: 'nonsense' }, 'BERTH_FIELD_INVALID'],
    [{ as: 'a/b' }, 'BERTH_FIELD_INVALID'],
    [{ as: 'berth-deleted-x' }, 'BERTH_FIELD_INVALID'],
    [{ id: 'other' }, 'BERTH_VOLUME_NOT_FOUND'],
  ])('refuses what cannot be: %j', async (request, code) => {
    await expect(undelete(request)).rejects.toMatchObject({ code });
    expect(cluster.image(deletedName(image.id))).toBe(image);
  });

  it('does not find a volume that was never deleted', async () => {
    await undelete();
    await expect(undelete()).rejects.toMatchObject({ code: 'BERTH_VOLUME_NOT_FOUND' });
  });

  it('refuses a volume whose data is being removed, however far that is', async () => {
    const record = parseDeleted({ ...image, fsid: cluster.rbd.fsid }, 'x')!;
    const purge = { by: 'one', until: '2026-01-01T00:00:00.000Z' };
    image.metadata.set(DELETED_KEY, JSON.stringify({ ...record, purge }));
    await expect(undelete()).rejects.toThrow(/BERTH_UNDELETE_REFUSED.*being removed already/);
    expect(cluster.image(deletedName(image.id))).toBe(image);
  });

  it.each(['compareAndSet', 'rename', 'headById', 'setMetadata'] as const)(
    'that was cut short at any %s is gone on with, and no purge comes between',
    async (operation) => {
      const later = (): Date => new Date('2027-01-01');
      const parts = { rbd: cluster.rbd, longWork: cluster.rbd, clusters: cluster.clusters, log };
      for (let nth = 0; nth < 6; nth += 1) {
        let calls = 0;
        const real = cluster.rbd[operation].bind(cluster.rbd) as (...given: unknown[]) => Promise<unknown>;
        const spy = vi.spyOn(cluster.rbd, operation).mockImplementation(((...given: unknown[]) => {
          if (calls++ === nth) throw berthError('BERTH_WORKER_DIED', { how: 'SIGKILL', what: operation });
          return real(...given);
        }) as never);
        const isCut = await undelete({ as: 'rescued' }).then(
          () => false,
          () => true,
        );
        spy.mockRestore();
        const isSafe = !isCut || image.metadata.get(DELETED_KEY)?.includes('restoring') === true;
        if (isSafe) {
          const purges = new Purges(
            {
              ...parts,
              counters: new Counters(),
              by: 'purger',
              now: later,
              slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
            },
            1,
          );
          await purges.round();
          await purges.idle();
          await purges.stop();
        }
        if (isCut) await undelete({ as: 'rescued' });
        expect(cluster.image('rescued')).toBe(image);
        await remove('c1/rbd/rescued');
        await undeleteVolume(cluster, { volume: 'c1/rbd/rescued', id: undefined, as: 'berth-v' }, soon());
        await remove();
      }
    },
  );
});
