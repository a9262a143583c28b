/** What ListVolumes costs the OSDs, by librados' own counter. */
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Installation } from '../../../src/attachment/node-identity.js';
import { createLog } from '../../../src/observe/log.js';
import type { Librbd } from '../../../src/rbd/librbd/driver/librbd.js';
import { ForeignImages } from '../../../src/volume/controller/list/foreign-images.js';
import { listVolumes } from '../../../src/volume/controller/list/list-volumes.js';
import { VOLUME_KEY } from '../../../src/volume/image/volume-record.js';
import { scratchDirectory } from '../ceph.js';
import { operationsSent } from './admin-socket.js';
import { realFixture, startLibrbd } from './librbd.js';
import { soon, spec } from './port.contract.js';
import type { PortFixture } from './port.contract.js';

const OURS = 30;
const FOREIGN = 20;
/** Another installation's volumes. */
const THEIRS = 10;

const recordOf = (installation: string): string =>
  JSON.stringify({ version: 1, name: 'v', created: '', shape: {}, installation });

let fixture: PortFixture;
let port: Librbd;
let socket: string;
beforeAll(async () => {
  socket = path.join(await scratchDirectory('list-cost'), 'client.asok');
  port = startLibrbd({ extraConf: { admin_socket: socket } });
  fixture = await realFixture('list', port);
  const create = (image: string, metadata: ReadonlyMap<string, string>) =>
    port.createImage({ ...fixture.at, image }, spec({ metadata }), soon());
  await Promise.all([
    ...Array.from({ length: OURS }, (_, n) => create(`ours-${n}`, new Map([[VOLUME_KEY, '{"version":1}']]))),
    ...Array.from({ length: THEIRS }, (_, n) => create(`theirs-${n}`, new Map([[VOLUME_KEY, recordOf('B')]]))),
    ...Array.from({ length: FOREIGN }, (_, n) => create(`foreign-${n}`, new Map())),
  ]);
});
afterAll(() => fixture.close());

it('ListVolumes costs an OSD operation a volume, one for the names, none for what is known to be foreign', async () => {
  let now = 0;
  const parts = {
    rbd: port,
    clusters: { pools: () => Promise.resolve([fixture.at]) },
    foreignImages: new ForeignImages(() => now),
    installation: new Installation('A'),
    log: createLog('silent'),
  };
  const cost = async (): Promise<number> => {
    const before = await operationsSent(socket);
    const { volumes, nextToken } = await listVolumes(parts, { maxEntries: 0, startingToken: '' }, soon());
    expect([volumes.length, nextToken]).toEqual([OURS, '']);
    return (await operationsSent(socket)) - before;
  };
  expect(await cost()).toBe(1 + OURS + FOREIGN + THEIRS);
  now += 120_000;
  await cost();
  expect(await cost()).toBe(1 + OURS);
});
