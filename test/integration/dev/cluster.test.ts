/** The development cluster itself: quick when it runs already, whole again after a crash, gone without a trace. */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { adminOf } from '../../../src/dev/ceph/admin.js';
import { clusterUp, type Cluster } from '../../../src/dev/ceph/cluster.js';
import { runningDaemons } from '../../../src/dev/ceph/daemons.js';
import { clusterDown } from '../../../src/dev/ceph/down.js';
import { layoutOf, MAX_SOCKET_BYTES } from '../../../src/dev/ceph/layout.js';
import { readRecord } from '../../../src/dev/ceph/cluster-record.js';
import { CEPH_ROOT, cephOrigin, needsOldKeys } from '../../../src/dev/ceph/programs.js';
import { findProcesses, stopProcesses } from '../../../src/dev/processes.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { scratchDirectory } from '../ceph.js';

const soon = () => Deadline.after(60_000);
const processesOf = (directory: string) =>
  findProcesses((one) => one.argv.some((argument) => argument.includes(`${directory}/`)));

describe('a development cluster of our own, beside that of the other tests', () => {
  let root: string;
  let directory: string;
  let cluster: Cluster;

  beforeAll(async () => {
    root = await scratchDirectory('dev');
    // Where admin sockets go that would not fit the directory.
    vi.stubEnv('TMPDIR', root);
    // Too long for admin sockets, with a space in it: both are legal for a directory.
    directory = path.join(root, 'with a space', 'x'.repeat(90));
    cluster = await clusterUp(run, { directory }, soon());
  });

  afterAll(async () => {
    await clusterDown(directory, soon());
    vi.unstubAllEnvs();
  });

  const admin = () => adminOf(run, layoutOf(directory));
  const daemons = () => runningDaemons(layoutOf(directory));

  it('listens on both messenger versions at a loopback address of its own and is healthy', async () => {
    expect(cluster.monitors).toEqual([expect.stringMatching(/^\[v2:(127\.\d+\.\d+\.\d+):3300,v1:\1:6789\]$/)]);
    const health = JSON.parse(await admin().ceph(['health', '--format', 'json'], soon())) as { checks: object };
    // The manager's own modules may lack Python packages where a release is only unpacked; nothing of ours asks them.
    // Where clients know no keys but the older ones, the cluster was told to take those, and says that it does.
    const expected = needsOldKeys() ? /^(MGR_MODULE|AUTH_INSECURE)_/ : /^MGR_MODULE_/;
    expect(Object.keys(health.checks).filter((check) => !expected.test(check))).toEqual([]);
  });

  it('keeps the OSD sparse: 100 GiB to see, little on disk', async () => {
    const block = await stat(path.join(directory, 'osd', 'block'));
    expect(block.size).toBe(100 * 2 ** 30);
    // 436 MB with Ceph 20.
    expect(block.blocks * 512).toBeLessThan(2 ** 30);
  });

  it('returns at once when everything runs already', async () => {
    const before = await daemons();
    const again = await clusterUp(run, { directory }, soon());
    expect(again.fsid).toBe(cluster.fsid);
    expect(await daemons()).toEqual(before);
  });

  it('another release at a cluster that is there: refused, and nothing is started', async () => {
    const before = await daemons();
    const [own, origin] = [process.env[CEPH_ROOT], cephOrigin()];
    vi.stubEnv(CEPH_ROOT, '/roots/sid-0123');
    try {
      await expect(clusterUp(run, { directory }, soon())).rejects.toThrow(
        new RegExp(`BERTH_CONFIG_INVALID.*made it is ${origin}, and this is sid-0123`),
      );
    } finally {
      vi.stubEnv(CEPH_ROOT, own);
    }
    expect(await daemons()).toEqual(before);
  });

  it('brings a killed OSD back with its data', async () => {
    const file = path.join(root, 'payload');
    await writeFile(file, 'written before the crash');
    await admin().rbd(['import', '--no-progress', file, 'hyper/kept'], soon());
    const { osd } = await daemons();
    await stopProcesses([osd!], 0, soon());
    expect((await daemons()).osd).toBeUndefined();
    await clusterUp(run, { directory }, soon());
    expect((await daemons()).osd!.pid).not.toBe(osd!.pid);
    expect(await admin().rbd(['export', '--no-progress', 'hyper/kept', '-'], soon())).toBe('written before the crash');
  });

  it('adds a pool with namespaces later and lets its users in', async () => {
    const more = [{ name: 'second', namespaces: ['tenant-a'] }];
    const grown = await clusterUp(run, { directory, pools: more }, soon());
    expect(grown.pools).toEqual([{ name: 'hyper', namespaces: [] }, ...more]);
    const listed = JSON.parse(await admin().rbd(['namespace', 'ls', 'second', '--format', 'json'], soon())) as unknown;
    expect(listed).toEqual([{ name: 'tenant-a' }]);
    const caps = await admin().ceph(['auth', 'get', 'client.berth-node'], soon());
    expect(caps).toContain('profile rbd pool=hyper, profile rbd pool=second');
  });

  it('is brought up once by two callers at the same time', async () => {
    const { mgr } = await daemons();
    await stopProcesses([mgr!], 0, soon());
    await Promise.all([clusterUp(run, { directory }, soon()), clusterUp(run, { directory }, soon())]);
    const managers = (await processesOf(directory)).filter((one) => one.program === 'ceph-mgr');
    expect(managers).toHaveLength(1);
  });

  it('goes down without leaving a process, file or socket directory, and again when nothing is left', async () => {
    const { sockets } = (await readRecord(layoutOf(directory)))!;
    expect(Buffer.byteLength(path.join(directory, 'run', 'mon.a.asok'))).toBeGreaterThan(MAX_SOCKET_BYTES);
    expect(sockets.startsWith(path.join(os.tmpdir(), 'berth-'))).toBe(true);
    await clusterDown(directory, soon());
    expect(await processesOf(directory)).toEqual([]);
    expect(await readdir(directory)).toEqual([]);
    await expect(stat(sockets)).rejects.toThrow('ENOENT');
    await clusterDown(directory, soon());
  });

  it('finishes an attempt that was cut off half way', async () => {
    const given = path.join(root, 'cut');
    const cut = run;
    let calls = 0;
    const dying: typeof run = (file, args, options) => {
      calls += 1;
      // Past the keys and in the middle of the monitor's and the OSD's making.
      return calls > 9 ? Promise.reject(new Error('killed here')) : cut(file, args, options);
    };
    try {
      await expect(clusterUp(dying, { directory: given }, soon())).rejects.toThrow('killed here');
      const whole = await clusterUp(run, { directory: given }, soon());
      expect(await adminOf(run, layoutOf(given)).rbd(['ls', 'hyper'], soon())).toBe('');
      expect(whole.pools.map((pool) => pool.name)).toEqual(['hyper']);
    } finally {
      await clusterDown(given, soon());
    }
  });

  it('refuses to remove what has something mounted in it', async () => {
    const given = path.join(root, 'mounted');
    const inside = path.join(given, 'log', 'here');
    await mkdir(inside, { recursive: true });
    await run('mount', ['-t', 'tmpfs', 'none', inside], { deadline: soon() });
    try {
      await writeFile(path.join(inside, 'precious'), '');
      await expect(clusterDown(given, soon())).rejects.toThrow('BERTH_LEFTOVER');
      expect(await readdir(inside)).toEqual(['precious']);
    } finally {
      await run('umount', [inside], { deadline: soon() });
    }
  });
});
