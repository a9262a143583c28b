/** Who has an image open is asked while its device is being made, where its client is there already. */
import { expect, it, vi } from 'vitest';
import type { FoundVolume } from '../../../../src/volume/image/find-volume.js';
import { FILESYSTEM_KEY } from '../../../../src/volume/image/provenance.js';
import { listWhileMapping } from '../../../../src/volume/node/stage/list-while-mapping.js';
import { soon } from '../controller/memory-cluster.js';

const recorded = (record: object): FoundVolume => {
  const text = JSON.stringify({ version: 1, volume: 'c1/rbd/v', ...record });
  const head = { id: '1', fsid: 'f', metadata: new Map([[FILESYSTEM_KEY, text]]) };
  return { volume: 'c1/rbd/v', head } as unknown as FoundVolume;
};
const formatted = recorded({ state: 'formatted', type: 'ext4', uuid: '7' });
const watcher = { address: '10.0.0.1:0/1', client: 1n };

it('the list is asked for once, when the client is there, and is what the map is judged by', async () => {
  const listAgain = vi.fn(() => Promise.resolve([watcher]));
  const deadline = soon();
  const listing = listWhileMapping(formatted, { watchers: [], listAgain }, deadline);
  listing.isOpen();
  expect(listAgain).toHaveBeenCalledTimes(1);
  expect(await listing.watchers().listAgain?.(formatted, undefined, deadline)).toEqual([watcher]);
  expect(listAgain).toHaveBeenCalledTimes(1);
});

it('a stranger on it is told when the map has ended, and never where the map itself fails', async () => {
  const stranger = new Error('a stranger');
  const listing = listWhileMapping(formatted, { watchers: [], listAgain: () => Promise.reject(stranger) }, soon());
  listing.isOpen();
  await new Promise((resolve) => setImmediate(resolve));
  await expect(listing.watchers().listAgain?.(formatted, undefined, soon())).rejects.toBe(stranger);
});

it('a mapper that tells nothing, a reader, a volume that may be formatted: it is asked behind the map', () => {
  const listAgain = vi.fn(() => Promise.resolve([watcher]));
  const before = { watchers: [], listAgain };
  expect(listWhileMapping(formatted, before, soon()).watchers()).toBe(before);
  const fresh = listWhileMapping(recorded({ state: 'never' }), before, soon());
  fresh.isOpen();
  expect(fresh.watchers()).toBe(before);
  const reader = { watchers: undefined };
  const read = listWhileMapping(formatted, reader, soon());
  read.isOpen();
  expect(read.watchers()).toBe(reader);
  expect(listAgain).not.toHaveBeenCalled();
});
