/** The blocklist as librbd's worker and a real cluster have it, and what a user without the caps is told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Librbd } from '../../../src/rbd/librbd/driver/librbd.js';
import { accessAs } from '../ceph.js';
import { describeBlocklist } from '../rbd/blocklist.contract.js';
import { realFixture, startLibrbd } from '../rbd/librbd.js';
import { refused, soon } from '../rbd/port.contract.js';

describeBlocklist('librbd', () => realFixture('blocklist'));

describe('a user with the caps of a node', () => {
  let port: Librbd;
  beforeAll(() => {
    port = startLibrbd();
  });
  afterAll(() => port.close());

  it('is known to lack the right to take a fence away, without anything being tried on the cluster', async () => {
    const before = await port.blocklisted(accessAs('node'), soon());
    expect(await port.blocklistRightsMissing(accessAs('node'), soon())).toEqual(['rm']);
    expect(await port.blocklisted(accessAs('node'), soon())).toEqual(before);
    await refused(port.unblocklist(accessAs('node'), '192.0.2.9:0/9', soon()), 'BERTH_CEPH_DENIED');
  });
});
