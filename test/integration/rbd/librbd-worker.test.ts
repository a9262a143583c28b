/**
 * The worker process on a real cluster: what it costs, what a crash in it costs, and that nothing of it stays behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageRef } from '../../../src/rbd/port.js';
import type { Librbd } from '../../../src/rbd/librbd/driver/librbd.js';
import { admin, barePool, cluster, scratchDirectory } from '../ceph.js';
import { realFixture, startLibrbd } from './librbd.js';
import { operationsSent } from './admin-socket.js';
import { MIB, refused, soon, spec } from './port.contract.js';
import type { PortFixture } from './port.contract.js';

let fixture: PortFixture;
let port: Librbd;
let socket: string;
let used = 0;
beforeAll(async () => {
  socket = path.join(await scratchDirectory('librbd'), 'client.asok');
  port = startLibrbd({ extraConf: { admin_socket: socket } });
  fixture = await realFixture('worker', port);
});
afterAll(() => fixture.close());
const image = (): ImageRef => ({ ...fixture.at, image: `image-${++used}` });
const metadata = new Map([
  ['berth/record', 'x'.repeat(500)],
  ['csi.storage.k8s.io/pvc/name', 'claim'],
]);

/** How many messages to OSDs `work` cost: librados' own counter. */
async function operations(work: () => Promise<unknown>): Promise<number> {
  const before = await operationsSent(socket);
  await work();
  return (await operationsSent(socket)) - before;
}

describe('the cost in OSD operations', () => {
  it('of an idle driver is no monitor command: who the cluster is, what records say, is asked of none', async () => {
    const { instance } = await port.identify(fixture.at.access, soon());
    const commands = async (): Promise<number> => {
      const audit = await admin().ceph(['log', 'last', '10000', 'debug', 'audit'], soon());
      return audit.split('\n').filter((line) => line.includes(` ${instance}'`)).length;
    };
    await port.poolStats(fixture.at, soon());
    // The log of the monitors shows it a moment later: that it shows commands at all is seen first.
    await expect.poll(commands, { timeout: 60_000 }).toBeGreaterThan(0);
    const before = await commands();
    for (let round = 0; round < 20; round += 1) {
      await port.identify(fixture.at.access, soon());
      await port.getRecords(fixture.at, 'berth.registry', ['here'], soon());
      await port.setRecords(fixture.at, 'berth.nodes.00', new Map([['n', '{}']]), soon());
      await port.listRecords(fixture.at, 'berth.fences', '', 100, soon());
    }
    const first = await commands();
    await port.poolStats(fixture.at, soon());
    await expect.poll(commands, { timeout: 60_000 }).toBeGreaterThan(first);
    expect((await commands()) - before).toBeLessThanOrEqual(3);
  });

  it('of a volume with its metadata and default features is ten, and nine after the first in the pool', async () => {
    await port.identify(fixture.at.access, soon());
    const create = () => port.createImage(image(), spec({ metadata }), soon());
    expect(await operations(create)).toBe(10);
    expect(await operations(create)).toBe(9);
  });

  it('of a look at an image is two, of a change of its record one', async () => {
    const at = image();
    const id = await port.createImage(at, spec(), soon());
    await port.setMetadata(at, id, metadata, soon());
    expect(await operations(() => port.head(at, soon()))).toBe(2);
    expect(await operations(() => port.compareAndSet(at, id, 'holder', undefined, 'n', soon()))).toBe(1);
    expect(await operations(() => port.list(at, '', 100, soon()))).toBe(1);
  });

  it('of a snapshot by id is one, of all of an image two, of its name one; taking one is 35 at most', async () => {
    const at = image();
    const id = await port.createImage(at, spec(), soon());
    await port.setMetadata(at, id, metadata, soon());
    const taking = await operations(() => port.cutById(at, id, 's', soon()));
    expect(taking).toBeLessThanOrEqual(35);
    const snapshot = (await port.snapshotsById(at, id, soon()))!.snapshots[0]!.id;
    expect(await operations(() => port.snapshotById(at, id, snapshot, soon()))).toBe(1);
    expect(await operations(() => port.snapshotsById(at, id, soon()))).toBe(2);
    expect(await operations(() => port.nameById(at, id, soon()))).toBe(1);
  });
});

describe('a pool that cannot hold images', () => {
  it('is found out, whatever other pools the connection has seen', async () => {
    const bad = await barePool('snapped', [cluster().pool]);
    try {
      // Snapshots of the pool and of images exclude each other.
      await admin().ceph(['osd', 'pool', 'mksnap', bad.pool, 'one'], soon());
      const good = { ...image(), access: bad.access };
      for (const name of ['seen-0', 'seen-1']) await port.createImage({ ...good, image: name }, spec(), soon());
      const at = { access: bad.access, pool: bad.pool, namespace: '', image: 'lost' };
      for (const turn of ['first', 'second']) {
        expect(await refused(port.createImage(at, spec(), soon()), 'BERTH_CEPH_ERROR'), turn).toContain('EINVAL');
      }
      expect(await port.head(at, soon())).toBeUndefined();
    } finally {
      await bad.remove();
    }
  });
});

describe('the worker', () => {
  it('does not show the key to those who look at processes', async () => {
    await port.identify(fixture.at.access, soon());
    const proc = `/proc/${port.workerPid()!}`;
    const shown = readFileSync(`${proc}/cmdline`, 'utf8') + readFileSync(`${proc}/environ`, 'utf8');
    expect(shown).not.toContain(fixture.at.access.key.reveal());
  });

  it('that crashes fails the calls in flight, and the next call works', async () => {
    const ats = Array.from({ length: 16 }, image);
    await port.identify(fixture.at.access, soon());
    const pid = port.workerPid()!;
    const creates = ats.map((at) => refused(port.createImage(at, spec(), soon()), 'BERTH_WORKER_DIED'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.kill(pid, 'SIGSEGV');
    for (const message of await Promise.all(creates)) expect(message).toContain('SIGSEGV');
    const at = image();
    expect(await port.createImage(at, spec(), soon())).toMatch(/^[0-9a-f]+$/);
    expect(port.workerPid()).not.toBe(pid);
  });

  it('leaves a terminal’s interrupt to its parent', async () => {
    await port.identify(fixture.at.access, soon());
    const pid = port.workerPid()!;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    expect((await port.identify(fixture.at.access, soon())).fsid).toBeTruthy();
    expect(port.workerPid()).toBe(pid);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('ends with a parent that was ended by %s', async (signal) => {
    const script = `
      const { createLibrbd } = await import(${JSON.stringify(path.resolve('dist/src/rbd/librbd/driver/librbd.js'))});
      const { Deadline } = await import(${JSON.stringify(path.resolve('dist/src/model/deadline.js'))});
      const { createLog } = await import(${JSON.stringify(path.resolve('dist/src/observe/log.js'))});
      const port = createLibrbd({ log: createLog('silent'), connectSeconds: 60 });
      const access = { cluster: 'c', monitors: ['127.66.6.6:6789'], user: 'u', key: { reveal: () => '' } };
      port.identify(access, Deadline.after(60000)).catch(() => {});
      setTimeout(() => console.log(port.workerPid()), 300);
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
      const pid = Number(line);
      expect(() => process.kill(pid, 0)).not.toThrow();
      parent.kill(signal);
      const alive = () => readdirSync('/proc').includes(String(pid));
      // It is stuck in a connect for a minute, and must not wait for that.
      for (const deadline = soon(8_000); alive() && !deadline.expired; ) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(alive()).toBe(false);
    } finally {
      parent.kill('SIGKILL');
    }
  });
});

describe('thousands of calls', () => {
  const usage = () => {
    const proc = `/proc/${port.workerPid()!}`;
    const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1];
    return { anonymousKib: Number(anonymous), files: readdirSync(`${proc}/fd`).length };
  };

  it('leave neither memory nor files behind in the worker', async () => {
    const at = image();
    const id = await port.createImage(at, spec({ sizeBytes: 4n * MIB }), soon());
    const missing = image();
    const round = async (): Promise<void> => {
      await Promise.all([
        port.head(at, soon()),
        port.setMetadata(at, id, metadata, soon()),
        port.compareAndSet(at, id, 'holder', undefined, undefined, soon()),
        port.setRecords(at, 'berth.many', metadata, soon()),
        port.getRecords(at, 'berth.many', [...metadata.keys()], soon()),
        port.list(at, '', 100, soon()),
        port.head(missing, soon()),
        port.poolStats(at, soon()),
        port.inspect(at, soon()),
        port.isEmpty(at, soon()),
        refused(port.inspect(missing, soon()), 'BERTH_IMAGE_NOT_FOUND'),
        refused(port.createImage(at, spec(), soon()), 'BERTH_IMAGE_EXISTS'),
      ]);
    };
    const rounds = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 4) await Promise.all([round(), round(), round(), round()]);
    };
    // Until V8's young generation has grown to its size; from there on only a leak grows.
    await rounds(320);
    const warm = usage();
    await rounds(160);
    const after = usage();
    // 1,920 calls; a leak of 4 KiB in each would show.
    expect(after.anonymousKib - warm.anonymousKib).toBeLessThan(7_500);
    expect(after.files - warm.files).toBeLessThanOrEqual(2);
  }, 60_000);
});
