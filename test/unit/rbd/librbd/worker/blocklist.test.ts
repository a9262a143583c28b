/** What a connection knows once it has been told of a fence, by itself or by somebody else. */
import { expect, it } from 'vitest';
import type { ClusterConnection } from '../../../../../src/rbd/librbd/worker/cluster-connection.js';
import { addToBlocklist, listBlocklist } from '../../../../../src/rbd/librbd/worker/blocklist.js';

/** A cluster that answers nothing to every command; what was asked of it, in order. */
function connection(waited = 0): { readonly link: ClusterConnection; readonly asked: string[] } {
  const asked: string[] = [];
  const say = (what: string, result: number) => ({
    now: () => undefined,
    later: () => Promise.resolve(asked.push(what)).then(() => result),
  });
  const rados = { monCommand: say('command', 0), freeBuffer: say('free', 0), waitForMap: say('map', waited) };
  return { link: { ceph: { rados }, cluster: 1n } as unknown as ClusterConnection, asked };
}

it('has the map that contains a fence that was found there, whoever made it', async () => {
  const { link, asked } = connection();
  expect(await listBlocklist(link)).toEqual([]);
  expect(asked).toEqual(['command', 'map']);
});

it('has the map that contains a fence that it made', async () => {
  const { link, asked } = connection();
  await addToBlocklist(link, '10.0.0.1:0/42', 60);
  expect(asked).toEqual(['command', 'map']);
});

it('says nothing of a fence whose map it cannot have', async () => {
  await expect(listBlocklist(connection(-110).link)).rejects.toThrow(/the map of the fence/);
});
