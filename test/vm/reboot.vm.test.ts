/**
 * A power cut under a published volume: after it the driver clears what is ours of the kubelet's directories, and tells
 * and leaves the rest.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/dev/driver/csi-client.js';
import { run } from '../../src/host/process/exec.js';
import { mountAt } from '../../src/host/mount/mountinfo.js';
import { Deadline } from '../../src/model/deadline.js';
import { age, Kubelet } from '../integration/reconcile/kubelet.js';
import { get, put, soon } from './inside/disk.js';
import { forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB } from './inside/images.js';
import { session } from './inside/session.js';
import { mount, Volume } from './inside/volume.js';

const NAME = 'vm-reboot';
const kubelet = new Kubelet(path.join(session.state, NAME, 'kubelet'));
const note = path.join(session.state, 'reboot-volume');
const journal = path.join(session.state, NAME, 'driver/journal');
const targetOf = (pod: string): string => path.join(kubelet.volumeDirectory(pod, 'pv'), 'mount');

for (const one of ['pods', 'plugins']) await mkdir(path.join(kubelet.root, one), { recursive: true });
/** Rounds follow each other closely, and what rests for five seconds is a leftover. */
Object.assign(process.env, {
  BERTH_KUBELET_DIR: kubelet.root,
  BERTH_RECONCILE_INTERVAL: '2',
  BERTH_LEFTOVER_AGE: '5',
});

async function until(what: string, node: Node, look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Deadline.after(120_000);
  while (!(await look())) {
    if (deadline.expired) throw new Error(`not ${what}: ${(await node.log()).slice(-4_000)}`);
    await sleep(500);
  }
}

describe('a power cut', { skip: session.guest ? false : 'this machine is not to be restarted' }, () => {
  if (session.boot === 1) {
    it('comes while a pod writes', async () => {
      const node = await startNode(NAME);
      const volume = await Volume.create(node, mount('ext4'), 64 * MiB, { mounter: 'krbd' });
      // Where a kubelet has it.
      Object.assign(volume, { staging: await kubelet.stage(volume.id), target: targetOf });
      await volume.attach();
      await volume.stage();
      await kubelet.publish('gone', 'pv', volume.id);
      await put(await volume.publish('gone'), 'from before');
      await mkdir(await kubelet.publish('other', 'pv', volume.id, 'other.csi.driver'));
      await kubelet.publish('foreign', 'pv', volume.id);
      await mkdir(targetOf('foreign'));
      await mkdir(await kubelet.publish('full', 'pv', volume.id));
      await writeFile(path.join(targetOf('full'), 'file'), 'written to the node');
      await mkdir(targetOf('unknown'), { recursive: true });
      await writeFile(note, volume.id);
      await run('sync', [], { deadline: soon() });
      await host.reboot();
    });
    return;
  }

  it('leaves the kubelet’s directories, of which ours are cleared and no other', async () => {
    const volume = await readFile(note, 'utf8');
    assert.equal((await readdir(journal)).length, 1);
    assert.ok(existsSync(targetOf('gone')));
    await run('mount', ['-t', 'tmpfs', 'foreign', targetOf('foreign')], { deadline: soon() });
    await writeFile(path.join(targetOf('foreign'), 'file'), 'foreign');
    for (const pod of ['gone', 'full']) await age(path.join(kubelet.volumeDirectory(pod, 'pv'), 'vol_data.json'));
    const node = await startNode(NAME);
    try {
      await until('forgotten', node, async () => (await readdir(journal)).length === 0);
      await until('cleared', node, () => !existsSync(kubelet.volumeDirectory('gone', 'pv')));
      assert.ok(existsSync(kubelet.podDirectory('gone')));
      await until('told', node, async () => /holds files/.test(await node.log()));
      const log = await node.log();
      assert.match(log, /foreign \(tmpfs\) is mounted there/);
      assert.match(log, /no vol_data\.json says whose volume it is/);
      assert.equal(await get(targetOf('foreign')), 'foreign');
      assert.equal((await mountAt(targetOf('foreign')))?.source, 'foreign');
      assert.equal(await get(targetOf('full')), 'written to the node');
      for (const pod of ['other', 'unknown']) assert.deepEqual(await readdir(targetOf(pod)), [], pod);
      assert.ok(existsSync(path.join(kubelet.volumeDirectory('other', 'pv'), 'vol_data.json')));
      await nothingIsLeft();
      assert.equal(await again(node, volume), 'from before');
      await nothingIsLeft();
    } finally {
      await run('umount', [targetOf('foreign')], { deadline: soon() });
      await node.stop();
    }
    await forget(node);
  });
});

/** The pod's next life: what it finds in the volume, which is deleted then. */
async function again({ client, name }: Node, volumeId: string): Promise<string> {
  const stagingTargetPath = await kubelet.stage(volumeId);
  const targetPath = await kubelet.publish('again', 'pv', volumeId);
  const secretsOf = (role: 'controller' | 'node') => ({
    userID: session.users[role].id,
    userKey: session.users[role].key,
  });
  const inTime = { deadline: Date.now() + 240_000 };
  const request = { volumeId, stagingTargetPath, volumeCapability: mount('ext4'), secrets: secretsOf('node') };
  await ask((done) => client.node.NodeStageVolume(request, inTime, done));
  await ask((done) => client.node.NodePublishVolume({ ...request, targetPath }, inTime, done));
  const found = await get(targetPath);
  await ask((done) => client.node.NodeUnpublishVolume({ volumeId, targetPath }, inTime, done));
  await ask((done) => client.node.NodeUnstageVolume({ volumeId, stagingTargetPath }, inTime, done));
  const secrets = secretsOf('controller');
  await ask((done) => client.controller.ControllerUnpublishVolume({ volumeId, nodeId: name, secrets }, inTime, done));
  await ask((done) => client.controller.DeleteVolume({ volumeId, secrets }, inTime, done));
  return found;
}
