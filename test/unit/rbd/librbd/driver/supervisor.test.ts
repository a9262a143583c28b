/**
 * The supervisor over a worker that dies, hangs and answers late on request; the real one is tested on a real cluster.
 */
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../../../src/model/secret.js';
import { createLog } from '../../../../../src/observe/log.js';
import type { ImageRef } from '../../../../../src/rbd/port.js';
import { createLibrbd } from '../../../../../src/rbd/librbd/driver/librbd.js';
import type { Librbd, LibrbdOptions } from '../../../../../src/rbd/librbd/driver/librbd.js';
import { refused, soon } from '../../../../integration/rbd/port.contract.js';

const workerPath = path.resolve('test/fixtures/workers/obeys-pool-name.mjs');
const access = { cluster: 'c', monitors: ['m'], user: 'u', key: new Secret('k') };
const call = (pool: string): ImageRef => ({ access, pool, namespace: '', image: 'i' });

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

let started: Librbd | undefined;
const start = (options: Partial<LibrbdOptions> = {}): Librbd =>
  (started = createLibrbd({ log: createLog('silent'), workerPath, ...options }));
afterEach(() => started?.close());

describe('the supervisor', () => {
  it('starts no worker before the first call', async () => {
    const port = start();
    expect(port.workerPid()).toBeUndefined();
    expect((await port.head(call('answers'), soon()))?.id).toBe(String(port.workerPid()));
  });

  it('fails calls in flight with a retryable error when the worker dies, and the next call works', async () => {
    const port = start();
    const waiting = refused(port.inspect(call('hangs'), soon()), 'BERTH_WORKER_DIED');
    expect(await refused(port.head(call('dies'), soon()), 'BERTH_WORKER_DIED')).toMatch(/SIGSEGV.*look at image i/);
    expect(await waiting).toContain('inspect image i');
    expect(port.workerPid()).toBeUndefined();
    expect(await port.head(call('answers'), soon())).toBeDefined();
  });

  it('says with which code a worker left', async () => {
    expect(await refused(start().head(call('exits'), soon()), 'BERTH_WORKER_DIED')).toContain('exit code 3');
  });

  it('pauses before it starts a worker again that keeps dying, within the deadline of the call', async () => {
    const port = start();
    for (let n = 0; n < 3; n++) await refused(port.head(call('dies'), soon()), 'BERTH_WORKER_DIED');
    const begin = performance.now();
    await refused(port.head(call('answers'), soon(50)), 'BERTH_DEADLINE');
    expect(await port.head(call('answers'), soon())).toBeDefined();
    expect(performance.now() - begin).toBeGreaterThan(100);
  });

  it('gives up a call at its deadline and ignores the late answer', async () => {
    const port = start();
    expect(await refused(port.head(call('answers late'), soon(100)), 'BERTH_DEADLINE')).toContain('look at image i');
    const pid = port.workerPid();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await port.head(call('answers'), soon()))?.id).toBe(String(pid));
  });

  it('replaces a worker that has been silent long after a caller gave up', async () => {
    const port = start({ connectSeconds: 0.02, operationSeconds: 0.02 });
    await port.head(call('answers'), soon());
    const pid = port.workerPid();
    await refused(port.head(call('hangs'), soon(20)), 'BERTH_DEADLINE');
    // Twice what a call may take: longer than that and it is stuck.
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(await port.head(call('answers'), soon())).toBeDefined();
    expect(port.workerPid()).not.toBe(pid);
  });

  it.each([
    ['keeps a worker whose threads are all at long work that gets on', 'gets on', true],
    ['replaces a worker half of whose threads do not get on, although others answer', 'hangs', false],
  ])('%s', async (_what, pool, isKept) => {
    const port = start({ connectSeconds: 0.05, operationSeconds: 0.05, threads: 4 });
    await port.head(call('answers'), soon());
    const pid = port.workerPid();
    const late = Array.from({ length: 4 }, () => refused(port.head(call(pool), soon(20)), 'BERTH_DEADLINE'));
    await Promise.all(late);
    // Twice what a call may take; all the while it answers others.
    for (let n = 0; n < 8; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await port.head(call('answers'), soon());
    }
    expect(port.workerPid() === pid).toBe(isKept);
  });

  it('ends a worker for long work when nobody has called for a while, and the next call starts another', async () => {
    const port = start({ endIdleMs: 20 });
    await port.head(call('answers'), soon());
    const pid = port.workerPid()!;
    await expect.poll(() => port.workerPid()).toBeUndefined();
    await expect.poll(() => isAlive(pid)).toBe(false);
    expect(await port.head(call('answers'), soon())).toBeDefined();
    expect(port.workerPid()).not.toBe(pid);
  });

  it('fails calls in flight with SHUTTING_DOWN when it closes, and the worker is gone then', async () => {
    const port = start();
    await port.head(call('answers'), soon());
    const pid = port.workerPid()!;
    const waiting = refused(port.head(call('hangs'), soon()), 'BERTH_SHUTTING_DOWN');
    await port.close();
    await waiting;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('keeps what configures Node or Ceph from outside away from the worker, and gives it its threads', async () => {
    process.env['CEPH_ARGS'] = '--id somebody';
    try {
      const port = start({ threads: 20, env: { MALLOC_CHECK_: '0' } });
      const env = JSON.parse((await port.head(call('shows environment'), soon()))!.id) as Record<string, string>;
      expect(env).toMatchObject({ UV_THREADPOOL_SIZE: '20', MALLOC_CHECK_: '0', LC_ALL: 'C' });
      expect(Object.keys(env).filter((name) => /^CEPH_|^NODE_OPTIONS/.test(name))).toEqual([]);
    } finally {
      delete process.env['CEPH_ARGS'];
    }
  });
});
