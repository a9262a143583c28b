/** What crashes and power cuts leave on a node: the restarted driver clears what is ours, and nothing else. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { attachLoop, findLoops } from '../../../src/dev/mapper/loop-device.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { age, Kubelet } from './kubelet.js';
import { cutPower, devicesOf, journalOf, logged, rounds, until } from './power.js';

const soon = (): Deadline => Deadline.after(60_000);
const FOUND = 'reconciliation found something that it leaves alone';

let site: Site;
let driver: Driver;
let kubelet: Kubelet;
let volume: Volume;

const often = (root: string, ageSeconds = 1): readonly string[] => [
  ...['--kubelet-dir', root, '--reconcile-interval', '1'],
  ...['--leftover-age', String(ageSeconds)],
];

beforeAll(async () => {
  site = await Site.open('left');
  kubelet = new Kubelet(await site.kubelet());
  driver = await site.driver('node-one', { arguments: often(kubelet.root) }).start();
});
afterAll(() => site.close());
beforeEach(async () => {
  volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  onTestFinished(() => site.endVolumes());
});

/** As a kubelet does it: attached, staged and published for a pod. */
async function bring(pod: string): Promise<{ staging: string; target: string }> {
  await volume.attach(driver);
  const staging = await kubelet.stage(volume.id);
  // Before the stage: what no pod's directory names counts as forgotten here after a second.
  const target = await kubelet.publish(pod, 'pv', volume.id);
  await volume.stage(driver, { stagingTargetPath: staging });
  await volume.publish(driver, pod, { stagingTargetPath: staging, targetPath: target });
  return { staging, target };
}

const isClean = async (): Promise<boolean> =>
  (await journalOf(driver)).length === 0 && (await devicesOf(driver)).length === 0;

describe('reconciliation, after a power cut', () => {
  it('directories of pods and stages go, those of others stay (waits 30 s for Ceph to forget a client)', async () => {
    const { staging, target } = await bring('gone');
    await put(target, 'kept');
    // Not ours, not gone, not empty, or not clear: each in a directory of its own, and a device of somebody else.
    const foreignMount = await kubelet.publish('foreign', 'pv', 'dev/hyper/berth-nobody');
    await mkdir(foreignMount);
    await run('mount', ['-t', 'tmpfs', 'foreign', foreignMount], { deadline: soon() });
    onTestFinished(() => run('umount', [foreignMount], { deadline: soon() }).then(() => undefined));
    await writeFile(path.join(foreignMount, 'file'), 'foreign');
    const full = await kubelet.publish('full', 'pv', volume.id);
    await mkdir(full);
    await writeFile(path.join(full, 'file'), 'written to the node');
    const other = await kubelet.publish('other', 'pv', volume.id, 'other.csi.driver');
    await mkdir(other);
    const otherStage = await kubelet.stage(volume.id, 'other.csi.driver');
    const running = await kubelet.publish('running', 'pv', volume.id);
    const token = path.join(kubelet.podDirectory('running'), 'volumes/kubernetes.io~projected/token');
    await mkdir(token, { recursive: true });
    await run('mount', ['-t', 'tmpfs', 'token', token], { deadline: soon() });
    onTestFinished(() => run('umount', [token], { deadline: soon() }).then(() => undefined));
    const unknown = path.join(kubelet.volumeDirectory('unknown', 'pv'), 'mount');
    await mkdir(unknown, { recursive: true });
    const image = path.join(site.directory, 'foreign.img');
    await writeFile(image, Buffer.alloc(1024 * 1024));
    const foreignLoop = await attachLoop(run, { file: image, readOnly: false }, soon());
    onTestFinished(() => run('losetup', ['--detach', foreignLoop], { deadline: soon() }).then(() => undefined));

    await cutPower(driver);
    expect(await journalOf(driver)).toHaveLength(1);
    // The driver that was killed may have had a round between all this, and said some of it.
    const saidBefore = (await logged(driver, FOUND)).length;
    const pods = ['gone', 'full', 'foreign', 'other', 'running', 'unknown'];
    for (const pod of pods) {
      const data = path.join(kubelet.volumeDirectory(pod, 'pv'), 'vol_data.json');
      if (existsSync(data)) await age(data);
    }
    await age(target, path.join(path.dirname(staging), 'vol_data.json'), staging);
    await driver.start();
    await until('cleared', driver, async () => (await isClean()) && !existsSync(path.dirname(target)));
    await rounds(driver);

    expect(existsSync(kubelet.podDirectory('gone'))).toBe(true);
    expect(await readdir(path.dirname(path.dirname(target)))).toEqual([]);
    expect(await readFile(path.join(foreignMount, 'file'), 'utf8')).toBe('foreign');
    expect((await mountAt(foreignMount))?.source).toBe('foreign');
    expect(await readFile(path.join(full, 'file'), 'utf8')).toBe('written to the node');
    for (const kept of [other, otherStage, path.dirname(running), unknown, token])
      expect(existsSync(kept), kept).toBe(true);
    for (const pod of ['foreign', 'full', 'other', 'running'])
      expect(existsSync(path.join(kubelet.volumeDirectory(pod, 'pv'), 'vol_data.json')), pod).toBe(true);
    expect((await findLoops()).find(({ device }) => device === foreignLoop)?.file).toBe(image);
    const found = (await logged(driver, FOUND)).slice(saidBefore);
    const said = found.map((line) => `${String(line['subject'])}: ${String(line['what'])}`);
    expect(said.filter((line) => line.includes('/foreign/'))).toEqual([
      expect.stringMatching(/foreign \(tmpfs\) is mounted/),
    ]);
    expect(said.filter((line) => line.includes('/full/'))).toEqual([expect.stringMatching(/holds files/)]);
    expect(said.filter((line) => line.includes('/running/'))).toEqual([expect.stringMatching(/its pod may run/)]);
    expect(said.filter((line) => line.includes('/unknown/'))).toEqual([expect.stringMatching(/no vol_data.json/)]);
    expect(said.filter((line) => line.includes('other.csi.driver'))).toEqual([]);

    // Directories of pods that still stand are a claim: the stage's own goes after them.
    for (const pod of ['full', 'running']) await rm(kubelet.volumeDirectory(pod, 'pv'), { recursive: true });
    await until('the stage cleared', driver, () => Promise.resolve(!existsSync(path.dirname(staging))));
    // And the volume is none the worse for it.
    expect(await get((await bring('again')).target)).toBe('kept');
    await volume.unpublish(driver, 'again');
    await driver.node.NodeUnpublishVolume({
      volumeId: volume.id,
      targetPath: path.join(kubelet.volumeDirectory('again', 'pv'), 'mount'),
    });
    await driver.node.NodeUnstageVolume({ volumeId: volume.id, stagingTargetPath: staging });
  });
});

describe('reconciliation, driver killed', () => {
  const cutStage = async (ms: number): Promise<string> => {
    await volume.attach(driver);
    const staging = await kubelet.stage(volume.id);
    const cut = volume.stage(driver, { stagingTargetPath: staging }).catch((error: unknown) => error);
    await sleep(ms);
    await driver.stop('SIGKILL');
    await cut;
    return staging;
  };

  it.each([60, 150, 300, 500])('%s ms into a NodeStage that nobody repeats: undone', async (ms) => {
    const staging = await cutStage(ms);
    const wasQuick = (await journalOf(driver))[0]?.state === 'staged';
    await age(path.join(kubelet.stageDirectory(volume.id), 'vol_data.json'));
    await driver.start();
    if (wasQuick) await driver.node.NodeUnstageVolume({ volumeId: volume.id, stagingTargetPath: staging });
    await until('undone', driver, isClean);
    await until('the stage cleared', driver, () => Promise.resolve(!existsSync(kubelet.stageDirectory(volume.id))));
  });

  it('in the middle of a NodeStage: left to the kubelet’s retry as long as that may come', async () => {
    // A kubelet of its own: the other driver, which is quick to clear, may not look into its directories.
    const own = new Kubelet(await site.kubelet('kubelet-of-patient'));
    const patient = site.driver('patient', { arguments: often(own.root, 600) });
    await patient.start();
    await volume.attach(patient);
    const staging = await own.stage(volume.id);
    await volume.stage(patient, { stagingTargetPath: staging });
    await patient.stop('SIGKILL');
    const [entry] = await journalOf(patient);
    const [file] = await readdir(path.join(patient.stateDir, 'journal'));
    await writeFile(
      path.join(patient.stateDir, 'journal', file!),
      JSON.stringify({ ...entry, state: 'staging', sum: undefined }),
    );
    await patient.start();
    await rounds(patient, 3);
    expect(await devicesOf(patient)).toHaveLength(1);
    await volume.stage(patient, { stagingTargetPath: staging });
    await rounds(patient, 1);
    expect((await journalOf(patient))[0]?.state).toBe('staged');
    await patient.node.NodeUnstageVolume({ volumeId: volume.id, stagingTargetPath: staging });
    await volume.detach(patient);
  });

  it('in the middle of NodeUnstage, cluster unreachable: taken down, forgotten when it answers', async () => {
    const { staging, target } = await bring('done');
    await driver.node.NodeUnpublishVolume({ volumeId: volume.id, targetPath: target });
    await driver.stop('SIGKILL');
    const [entry] = await journalOf(driver);
    const [file] = await readdir(path.join(driver.stateDir, 'journal'));
    await writeFile(
      path.join(driver.stateDir, 'journal', file!),
      JSON.stringify({ ...entry, state: 'unstaging', sum: undefined }),
    );
    await site.writeClusters({ monitors: ['[v2:127.213.7.1:3300,v1:127.213.7.1:6789]'] });
    await driver.start('listening');
    const taken = async () => (await devicesOf(driver)).length === 0 && (await mountAt(staging)) === undefined;
    await until('taken down', driver, taken);
    // The record says that it is staged until the cluster can be told.
    expect((await journalOf(driver))[0]).toMatchObject({ state: 'unstaging' });
    await driver.stop();
    await site.writeClusters();
    await driver.start();
    await until('completed', driver, isClean);
  });

  it('journal lost too: what nobody uses is unmapped, what is mounted is told and left', async () => {
    await volume.attach(driver);
    const staging = await driver.stagingPath(volume.id);
    await volume.stage(driver);
    await driver.stop('SIGKILL');
    await rm(`${driver.stateDir}/journal`, { recursive: true });
    await driver.start();
    await rounds(driver, 3);
    expect(await mountAt(staging)).toBeDefined();
    expect(JSON.stringify(await logged(driver, FOUND))).toContain(`mounted at ${staging}`);
    await run('umount', [staging], { deadline: soon() });
    await until('unmapped', driver, isClean);
  });
});

describe('reconciliation, the journal', () => {
  it('a file that cannot be read: told, and it stays', async () => {
    const file = path.join(driver.stateDir, 'journal', 'broken.json');
    await writeFile(file, '{"version": 99');
    onTestFinished(() => rm(file));
    await rounds(driver);
    expect(await readFile(file, 'utf8')).toBe('{"version": 99');
    expect(JSON.stringify(await logged(driver, FOUND))).toContain(file);
    // Once, not every round.
    expect((await logged(driver, FOUND)).filter(({ subject }) => subject === file)).toHaveLength(1);
  });

  it('NodeUnstage with the cluster unreachable: the holder record is removed once it answers, at any age', async () => {
    const patient = site.driver('owing', { arguments: often(kubelet.root, 600) });
    await patient.start();
    await volume.attach(patient);
    await volume.stage(patient);
    await patient.stop();
    await site.writeClusters({ monitors: ['[v2:127.213.7.1:3300,v1:127.213.7.1:6789]'] });
    await patient.start('listening');
    await volume.unstage(patient);
    expect((await journalOf(patient))[0]).toMatchObject({ state: 'unstaging' });
    await site.writeClusters();
    await until('told', patient, async () => (await journalOf(patient)).length === 0);
    await volume.detach(patient);
  });

  it('holder record of a NodeStage that could not be removed: kept, removed when the cluster answers', async () => {
    // Nobody attached it: the node takes the record itself.
    await volume.stage(driver);
    expect((await journalOf(driver))[0]?.holdsRecord).toBe(true);
    await driver.stop();
    await site.writeClusters({ monitors: ['[v2:127.213.7.1:3300,v1:127.213.7.1:6789]'] });
    await driver.start('listening');
    await volume.unstage(driver);
    expect(await devicesOf(driver)).toEqual([]);
    expect((await journalOf(driver))[0]).toMatchObject({ state: 'unstaging', holdsRecord: true });
    expect(await site.metadata(volume.image)).toHaveProperty(['berth.dev/holder']);
    await site.writeClusters();
    await until('given back', driver, isClean);
    expect(await site.metadata(volume.image)).not.toHaveProperty(['berth.dev/holder']);
    await driver.stop();
    await driver.start();
  });
});
