/** The loop-device Ceph on the real cluster and the real kernel: nothing left behind, nothing mapped twice. */
import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { pollUntil } from '../../../src/model/time-limit.js';
import { run } from '../../../src/host/process/exec.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { Secret } from '../../../src/model/secret.js';
import { LoopMapper } from '../../../src/dev/mapper/loop-mapper.js';
import { refusal } from '../../fakes/refusal.js';
import { cluster, scratchDirectory } from '../ceph.js';
import {
  cleanUpAfterwards,
  daemonPid,
  execute,
  image,
  kill,
  location,
  mount,
  node,
  remains,
  request,
  soon,
  stopAtTheEnd,
  umount,
  watchers,
} from './loop-nodes.js';

let stateDir: string;
let mapper: LoopMapper;

cleanUpAfterwards();

beforeAll(async () => {
  ({ mapper, stateDir } = await node('one'));
});

describe('mapping', () => {
  it('can work here', async () => {
    expect(await mapper.whyNot()).toBeUndefined();
  });

  it('leaves nothing after twenty times map and unmap', async () => {
    const name = await image();
    for (let turn = 0; turn < 20; turn += 1) {
      const mapping = await mapper.map(request(name), soon());
      expect(await mapper.find(location(name), soon())).toEqual(mapping);
      await mapper.unmap(mapping, soon());
    }
    expect(await mapper.find(location(name), soon())).toBeUndefined();
    expect(await remains(stateDir)).toEqual([]);
    expect(await watchers(name)).toBe(0);
  });

  it('opens nothing before it may, and says that the image is open before its device is there', async () => {
    const name = await image();
    const mayNot = request(name, { mayOpen: refusal('not yours') });
    await expect(mapper.map(mayNot, soon())).rejects.toThrow('not yours');
    expect(await mapper.find(location(name), soon())).toBeUndefined();
    expect(await remains(stateDir)).toEqual([]);
    let allow: () => void = () => undefined;
    const mayOpen = new Promise<void>((resolve) => (allow = resolve));
    let seen: Promise<readonly [number, boolean]> | undefined;
    const opened = (): void => {
      const isMapped = findLoops().then((loops) => loops.some(({ file }) => file.includes(name)));
      seen = Promise.all([watchers(name), isMapped]);
    };
    const mapping = mapper.map(request(name, { mayOpen, opened }), soon());
    // Nobody else waits for its leave.
    const other = await image();
    await mapper.unmap(await mapper.map(request(other), soon()), soon());
    expect(await watchers(name)).toBe(0);
    allow();
    await mapping;
    expect(await seen).toEqual([1, false]);
    seen = undefined;
    await mapper.map(request(name, { opened }), soon());
    expect(seen).toBeUndefined();
    await mapper.unmap(await mapping, soon());
  });

  it('gives one mapping to two who ask at the same time, and the same to a third', async () => {
    const name = await image();
    const [first, second] = await Promise.all([mapper.map(request(name), soon()), mapper.map(request(name), soon())]);
    expect(second).toEqual(first);
    expect(await mapper.map(request(name), soon())).toEqual(first);
    expect(await mapper.list()).toEqual([first]);
    expect(await watchers(name)).toBe(1);
  });

  it('gives one mapping to two plugins on the same state directory', async () => {
    const name = await image();
    const { mapper: one, stateDir: directory } = await node('twice');
    const other = new LoopMapper({ exec: run, stateDir: directory });
    const [first, second] = await Promise.all([one.map(request(name), soon()), other.map(request(name), soon())]);
    expect(second).toEqual(first);
  });

  it('is found again by a plugin that knows nothing of it', async () => {
    const name = await image();
    const mapping = await mapper.map(request(name), soon());
    const after = new LoopMapper({ exec: run, stateDir });
    expect(await after.find(location(name), soon())).toEqual(mapping);
    expect(await after.map(request(name), soon())).toEqual(mapping);
    await after.unmap(mapping, soon());
    expect(await remains(stateDir)).toEqual([]);
  });

  it('maps two images at a time, and unmaps each for itself', async () => {
    const [a, b] = [await image(), await image()];
    const [first, second] = await Promise.all([mapper.map(request(a), soon()), mapper.map(request(b), soon())]);
    expect(first.device).not.toBe(second.device);
    await mapper.unmap(first, soon());
    expect(await mapper.list()).toEqual([second]);
    await writeFile(second.device, Buffer.alloc(4096, 7));
  });

  it('cuts off a device in use: errors at once, and the kernel frees it when its last user is gone', async () => {
    const mapping = await mapper.map(request(await image()), soon());
    const before = (await findLoops()).find(({ device }) => device === mapping.device);
    const user = await open(mapping.device, 'r');
    try {
      await mapper.cutOff(mapping, soon());
      await mapper.cutOff(mapping, soon());
      await expect(user.read(Buffer.alloc(4096), 0, 4096, 4096)).rejects.toThrow(/EIO|ENOTCONN/);
      await mapper.unmap(mapping, soon());
      expect(await mapper.find(mapping.location, soon())).toBeUndefined();
    } finally {
      await user.close();
    }
    const isFree = async () => {
      const now = (await findLoops()).find(({ device }) => device === mapping.device);
      return now === undefined || ![before?.file, '/'].includes(now.file) ? true : undefined;
    };
    await pollUntil(isFree, 'the device to be free', soon());
  });

  it('unmaps again what is unmapped already', async () => {
    const mapping = await mapper.map(request(await image()), soon());
    await mapper.unmap(mapping, soon());
    await mapper.unmap(mapping, soon());
  });

  it('does not write the key anywhere', async () => {
    await mapper.map(request(await image()), soon());
    const { key } = cluster().users.node;
    for (const name of await readdir(stateDir)) {
      const file = path.join(stateDir, name);
      if ((await stat(file)).isFile()) expect(await readFile(file, 'utf8')).not.toContain(key);
    }
    expect(await readFile(`/proc/${await daemonPid(stateDir)}/cmdline`, 'utf8')).not.toContain(key);
  });

  it('keeps state directory and socket to itself, and the daemon out of our session', async () => {
    await mapper.map(request(await image()), soon());
    expect((await stat(stateDir)).mode & 0o777).toBe(0o700);
    expect((await stat(path.join(stateDir, 'qmp.sock'))).mode & 0o777).toBe(0o600);
    const fields = (await readFile(`/proc/${await daemonPid(stateDir)}/stat`, 'utf8')).split(') ')[1]!.split(' ');
    expect(Number(fields[1]), 'parent').not.toBe(process.pid);
    expect(fields[3], 'session').not.toBe((await readFile('/proc/self/stat', 'utf8')).split(') ')[1]!.split(' ')[3]);
  });

  it('works where the state directory is too deep for a socket', async () => {
    const deep = path.join(await scratchDirectory('deep'), 'd'.repeat(120));
    const runtimeDir = await scratchDirectory('run');
    const far = new LoopMapper({ exec: run, stateDir: deep, runtimeDir });
    stopAtTheEnd(far);
    const name = await image();
    const mapping = await far.map(request(name), soon());
    expect(await new LoopMapper({ exec: run, stateDir: deep, runtimeDir }).map(request(name), soon())).toEqual(mapping);
    await far.unmap(mapping, soon());
    expect(await remains(deep)).toEqual([]);
  });
});

describe('refusals', () => {
  it('names a missing image', async () => {
    await expect(mapper.map(request('absent'), soon())).rejects.toMatchObject({ code: 'BERTH_IMAGE_NOT_FOUND' });
  });

  it('names a missing pool and a missing namespace', async () => {
    const { image: ref } = request('absent');
    const noPool = { image: { ...ref, pool: 'absent', namespace: '' } };
    await expect(mapper.map(request('x', noPool), soon())).rejects.toMatchObject({ code: 'BERTH_POOL_NOT_FOUND' });
    const noSpace = { image: { ...ref, namespace: 'absent' } };
    await expect(mapper.map(request('x', noSpace), soon())).rejects.toMatchObject({
      code: 'BERTH_NAMESPACE_NOT_FOUND',
    });
  });

  it.each([
    ['of another user', () => cluster().users.controller.key],
    ['that is none', () => 'not a key at all'],
  ])('refuses a key %s without showing it', async (_what, key) => {
    const name = await image();
    const { image: ref } = request(name);
    const wrong = { image: { ...ref, access: { ...ref.access, key: new Secret(key()) } } };
    const error: unknown = await mapper.map(request(name, wrong), soon()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BERTH_CLUSTER_AUTH_FAILED' });
    expect(String(error)).not.toContain(key());
  });

  it('says that no monitor answers, and works with the right ones afterwards', async () => {
    const name = await image();
    const { image: ref } = request(name);
    const nobody = { image: { ...ref, access: { ...ref.access, monitors: ['[v2:127.78.0.99:3300]'] } } };
    const error: unknown = await mapper.map(request(name, nobody), soon(3_000)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: expect.stringMatching(/^BERTH_(CLUSTER_UNREACHABLE|DEADLINE)$/) as string });
    await mapper.map(request(name), soon());
    expect(await watchers(name)).toBe(1);
  });

  it('leaves nothing of an attempt that failed', async () => {
    await mapper.map(request('absent'), soon()).catch(() => undefined);
    expect(await remains(stateDir)).toEqual([]);
    expect(await mapper.list()).toEqual([]);
  });
});

describe('a plugin that was killed between the export and its device', () => {
  it('leaves an image open, which the next one closes when it looks for the mapping, and no other image', async () => {
    const [cut, other] = [await image(), await image()];
    const kept = await mapper.map(request(other), soon());
    // Without its loop device an export is what the killed one had got to.
    const { device } = await mapper.map(request(cut), soon());
    await run('losetup', ['--detach', device], { deadline: soon() });
    expect(await mapper.list()).toEqual([kept]);
    expect(await watchers(cut)).toBe(1);
    expect(await new LoopMapper({ exec: run, stateDir }).find(location(cut), soon())).toBeUndefined();
    expect([await watchers(cut), await watchers(other)]).toEqual([0, 1]);
    await mapper.unmap(await mapper.map(request(cut), soon()), soon());
    await mapper.unmap(kept, soon());
  });

  it('leaves nothing open where no daemon runs, and none is started', async () => {
    const { mapper: idle, stateDir: empty } = await node('idle');
    expect(await idle.find(location('absent'), soon())).toBeUndefined();
    await expect(daemonPid(empty)).rejects.toThrow(/ENOENT/);
  });
});

describe('a storage daemon that was killed', () => {
  it('is replaced by the next map, and unused remains are cleaned up', async () => {
    const name = await image();
    const { mapper: one, stateDir: directory } = await node('killed');
    const [old, other] = [await one.map(request(name), soon()), await one.map(request(await image()), soon())];
    await kill(await daemonPid(directory));
    const fresh = await one.map(request(name), soon());
    await execute('dd', [`if=${fresh.device}`, 'of=/dev/null', 'bs=4k', 'count=1', 'iflag=direct']);
    expect(await one.list()).toEqual([fresh]);
    expect(old.location).toEqual(fresh.location);
    await one.unmap(other, soon());
    await one.unmap(fresh, soon());
    expect(await remains(directory)).toEqual([]);
  });

  it('can be unmapped without any daemon', async () => {
    const { mapper: one, stateDir: directory } = await node('unmap');
    const mapping = await one.map(request(await image()), soon());
    await kill(await daemonPid(directory));
    await one.unmap(mapping, soon());
    expect(await remains(directory)).toEqual([]);
  });

  it('is named where its device is still mounted, and mapped anew once it is not', async () => {
    const name = await image();
    const { mapper: one, stateDir: directory } = await node('used');
    const mapping = await one.map(request(name), soon());
    await execute('mkfs.ext4', ['-q', mapping.device]);
    const target = await mount(mapping.device);
    await kill(await daemonPid(directory));
    const error: unknown = await one.map(request(name), soon()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BERTH_MAP_FAILED' });
    expect(String(error)).toContain(target);
    const another = await image();
    await one.map(request(another), soon());
    await umount(target);
    const fresh = await one.map(request(name), soon());
    // A write would wait up to 30 s for Ceph to give up the lock of the dead client.
    await mount(fresh.device, ['-o', 'ro,noload']);
  });
});

describe('two nodes', () => {
  it('map different images, and the same image read-only, at the same time', async () => {
    const [{ mapper: a }, { mapper: b }] = [await node('a'), await node('b')];
    const [mine, yours, ours] = [await image(), await image(), await image()];
    const readOnly = { readOnly: true };
    const mappings = await Promise.all([
      a.map(request(mine), soon()),
      b.map(request(yours), soon()),
      a.map(request(ours, readOnly), soon()),
      b.map(request(ours, readOnly), soon()),
    ]);
    expect(new Set(mappings.map(({ device }) => device)).size).toBe(4);
    expect(await a.list()).toHaveLength(2);
    expect(await b.find(location(mine), soon())).toBeUndefined();
  });
});
