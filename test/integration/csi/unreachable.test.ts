/**
 * A cluster that is not there: every call is answered within its deadline, Probe says so, and all is well once it is
 * back.
 */
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refused } from './calls.js';
import { block, ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';

/** On these nobody listens, or somebody listens and never says a word. */
const NOBODY = '[v2:127.213.7.1:3300,v1:127.213.7.1:6789]';
const SILENT = '127.213.7.2';
const WHEN_LATE = ['UNAVAILABLE', 'DEADLINE_EXCEEDED'];

let site: Site;
let whole: Driver;
const listeners: net.Server[] = [];
const sockets = new Set<net.Socket>();

beforeAll(async () => {
  site = await Site.open('down');
  whole = await site.driver('whole').start();
  for (const port of [3300, 6789]) {
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(port, SILENT, resolve));
    listeners.push(server);
  }
});
afterEach(() => site.endVolumes());
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of listeners) server.close();
  await site.close();
});

const probe = async (driver: Driver): Promise<boolean | undefined> =>
  (await driver.identity.Probe({}, 3_000)).ready?.value;

async function becomes(driver: Driver, ready: boolean, ms: number): Promise<void> {
  const last = performance.now() + ms;
  while ((await probe(driver)) !== ready) {
    if (performance.now() > last) throw new Error(`ready is not ${ready} after ${ms} ms`);
    await sleep(100);
  }
}

describe.each([
  ['refuses connections', NOBODY],
  ['accepts them and stays silent', `[v2:${SILENT}:3300,v1:${SILENT}:6789]`],
])('every RPC, a monitor that %s', (what, monitor) => {
  it('is answered in time, may be repeated, and works when the clusters file is corrected', async () => {
    const volume = await site.create(whole, ext4(), { sizeBytes: SMALL_BYTES });
    const file = `${site.directory}/${what.replaceAll(/\W/g, '')}.yaml`;
    await site.writeClusters({ monitors: [monitor] }, {}, file);
    const driver = site.driver(`far-${what.slice(0, 3)}`, { clustersFile: file });
    await driver.start('listening');
    expect(await probe(driver)).toBe(false);
    const stagingTargetPath = await driver.stagingPath(volume.id);
    const known = { volumeId: volume.id, secrets: site.secrets(), volumeCapability: ext4() };
    const calls: ((ms: number) => Promise<unknown>)[] = [
      (ms) => driver.controller.CreateVolume(site.request(block(), { sizeBytes: SMALL_BYTES }), ms),
      (ms) => driver.controller.DeleteVolume({ ...known, volumeId: `${volume.id}-other` }, ms),
      (ms) => driver.controller.ControllerPublishVolume({ ...known, nodeId: whole.nodeId }, ms),
      (ms) => driver.controller.ListVolumes({}, ms),
      (ms) => driver.controller.GetCapacity({}, ms),
      (ms) => driver.node.NodeStageVolume({ ...known, stagingTargetPath }, ms),
    ];
    const began = performance.now();
    const answers = await Promise.all(calls.map((call) => call(3_000).catch((error: unknown) => error)));
    expect(performance.now() - began).toBeLessThan(6_000);
    for (const answer of answers) expect([4, 14]).toContain((answer as { code?: number }).code);
    // One at a time the answer is ours, and not that of a client which gave up waiting.
    await refused(calls[0]!(4_000), WHEN_LATE);
    await refused(calls[3]!(4_000), WHEN_LATE);
    // Bad input needs no cluster to be seen.
    await refused(driver.controller.CreateVolume({ name: 'x' }, 1_000), 'INVALID_ARGUMENT');
    await driver.node.NodeUnstageVolume({ volumeId: 'x', stagingTargetPath }, 3_000);
    expect((await driver.node.NodeGetInfo({}, 1_000)).nodeId).toBe(driver.nodeId);
    expect(await probe(driver)).toBe(false);
    await site.writeClusters({}, {}, file);
    await becomes(driver, true, 20_000);
    const made = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await made.attach(driver);
    expect(await driver.stop()).toBe('exit code 0');
    await driver.start();
  });
});

describe('Probe and controller RPCs, a clusters file', () => {
  it('that is broken makes the driver not ready, names the place, and is read again', async () => {
    const file = `${site.directory}/broken.yaml`;
    await writeFile(file, 'clusters:\n  - id: dev\n    monitros: [x]\n');
    const driver = await site.driver('broken', { clustersFile: file }).start('listening');
    expect(await probe(driver)).toBe(false);
    const request = site.request(block(), { sizeBytes: SMALL_BYTES });
    await refused(driver.controller.CreateVolume(request), 'FAILED_PRECONDITION', /monitros/);
    await site.writeClusters({}, {}, file);
    await becomes(driver, true, 20_000);
  });

  it.each(['first', 'last'])('with a dead cluster %s serves the living one', async (place) => {
    const file = `${site.directory}/two-${place}.yaml`;
    const dead = {
      ...{ id: 'dead', monitors: [NOBODY], pools: [{ name: site.pool }] },
      users: Object.fromEntries(
        ['controller', 'node'].map((role) => [role, { id: 'x', keyFile: `${site.directory}/keys/${role}` }]),
      ),
    };
    await site.writeClusters({}, place === 'first' ? { before: [dead] } : { after: [dead] }, file);
    const driver = await site.driver(`two-${place}`, { clustersFile: file }).start('listening');
    await becomes(driver, true, 15_000);
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    const parameters = { ...site.parameters, clusterID: 'dead', radosNamespace: '' };
    const lost = { ...site.request(block(), { sizeBytes: SMALL_BYTES }), parameters };
    await refused(driver.controller.CreateVolume(lost, 4_000), WHEN_LATE, /dead/);
    // A list without the other cluster's volumes would be a lie: their detach would follow.
    await refused(driver.controller.ListVolumes({}, 4_000), WHEN_LATE);
    expect((await driver.controller.ControllerGetVolume({ volumeId: volume.id })).volume!.volumeId).toBe(volume.id);
  });

  it('whose cluster is dead does not keep the driver from ending in time', async () => {
    const file = `${site.directory}/dead.yaml`;
    await site.writeClusters({ monitors: [NOBODY] }, {}, file);
    const driver = await site.driver('ending', { clustersFile: file }).start('listening');
    const hanging = driver.controller.ListVolumes({}, 4_000).catch((error: unknown) => error);
    await sleep(200);
    const began = performance.now();
    expect(await driver.stop()).toBe('exit code 0');
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(await hanging).toBeInstanceOf(Error);
  });
});
