/** A mapping that no journal knows: looked for in every mapper, and never taken for nothing where it cannot be told. */
import { expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import type { Mapper, Mapping } from '../../../../src/rbd/mapping/mapper.js';
import { Mappers } from '../../../../src/volume/node/node-mappers.js';

const mapping = (device: string, fsid = 'f'): Mapping => ({
  ...{ mapper: 'krbd', device, readOnly: false },
  location: { fsid, pool: 'rbd', namespace: '', image: 'berth-v' },
});
const broken = () =>
  Promise.reject(berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'nbd', why: 'rbd-nbd list-mapped failed' }));
const find = (...mappers: { whyNot: string | undefined; list: () => Promise<readonly Mapping[]> }[]) => {
  const all = mappers.map(({ whyNot, list }) => ({ whyNot: () => Promise.resolve(whyNot), list }) as unknown as Mapper);
  const entries = [{ volume: 'c2/rbd/berth-v', fsid: 'other' } as JournalEntry];
  const journal = { all: () => Promise.resolve({ entries, unreadable: [] }) };
  const choose = () => Promise.reject(new Error('nothing is chosen'));
  return new Mappers({ all, choose, journal }).findUnrecorded('c1/rbd/berth-v', Deadline.after(60_000));
};

it('is found also by a mapper that cannot map just now', async () => {
  const found = await find({ whyNot: 'rbd is missing', list: () => Promise.resolve([mapping('/dev/rbd0')]) });
  expect(found?.device).toBe('/dev/rbd0');
});

it('is not there where a mapper without its programs cannot tell, an error where one with them cannot', async () => {
  expect(await find({ whyNot: 'rbd-nbd is missing', list: broken })).toBeUndefined();
  await expect(find({ whyNot: undefined, list: broken })).rejects.toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
});

it('is an error that names them where it may be one of several', async () => {
  const list = () => Promise.resolve([mapping('/dev/rbd0', 'f'), mapping('/dev/rbd1', 'g')]);
  await expect(find({ whyNot: undefined, list })).rejects.toThrow(/VOLUME_IN_USE: .*\/dev\/rbd0, \/dev\/rbd1/);
});

it('is not that of the same place in another cluster, which the journal knows', async () => {
  const list = () => Promise.resolve([mapping('/dev/rbd7', 'other')]);
  expect(await find({ whyNot: undefined, list })).toBeUndefined();
});
