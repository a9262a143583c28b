/** Somebody else keeps a volume: unstage says who, and succeeds once they are gone. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { mountAt } from '../../src/host/mount/mountinfo.js';
import { get, put } from './inside/disk.js';
import { forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft, refusedByDriver } from './inside/expect.js';
import { MiB } from './inside/images.js';
import { mount, Volume } from './inside/volume.js';

let node: Node;
const holders = new Set<ChildProcess>();

/** A process that says when it has what it is to hold, and holds it until it is ended. */
async function holder(program: string, args: readonly string[], cwd = '/'): Promise<ChildProcess> {
  const child = spawn(program, [...args, 'sh', '-c', 'echo held; exec sleep 600'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  holders.add(child);
  await once(child.stdout, 'data');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  holders.delete(child);
}

describe('a volume that somebody else keeps', () => {
  before(async () => {
    node = await startNode('busy-node');
  });
  after(async () => {
    for (const child of holders) await end(child);
    await node.stop();
    await nothingIsLeft();
    await forget(node);
  });

  for (const mounter of ['krbd', 'nbd']) {
    it(`on ${mounter} stays while a process works in it, which unstage names`, async () => {
      const volume = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter });
      await volume.attach();
      await volume.stage();
      await put(volume.staging, 'in use');
      const foreigner = await holder('env', [], volume.staging);
      const words = new RegExp(`UNMOUNT_BUSY.*sleep \\(pid ${foreigner.pid}\\)`);
      await refusedByDriver(volume.unstage(), status.FAILED_PRECONDITION, words);
      assert.equal(await get(volume.staging), 'in use');
      await end(foreigner);
      await volume.unstage();
      await nothingIsLeft();
      await volume.detach();
      await volume.remove();
    });

    it(`on ${mounter} stays mapped while another mount namespace has it mounted, which unstage names`, async () => {
      const volume = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter });
      await volume.attach();
      await volume.stage();
      await put(volume.staging, 'seen from elsewhere');
      // As a container that was started while the volume was mounted, and got a copy of all mounts.
      const foreigner = await holder('unshare', ['--mount', '--propagation', 'private']);
      const words = new RegExp(
        `UNMAP_BUSY.*mounted at ${volume.staging} in the mount namespace of sleep \\(pid ${foreigner.pid}\\)`,
      );
      await refusedByDriver(volume.unstage(), status.FAILED_PRECONDITION, words);
      assert.equal(await mountAt(volume.staging), undefined, 'here it is unmounted');
      assert.equal(await get(`/proc/${foreigner.pid}/root${volume.staging}`), 'seen from elsewhere');
      await end(foreigner);
      await volume.unstage();
      await nothingIsLeft();
      await volume.detach();
      await volume.remove();
    });
  }
});
