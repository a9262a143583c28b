/** The node of the crash tests on the real kernel: a driver that ends itself, and volumes that outlive it. */
import assert from 'node:assert/strict';
import { lstat, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FILESYSTEM_KEY } from '../../../src/volume/image/provenance.js';
import { becomeCopy } from '../../crash/become-copy.js';
import { grantedAnew } from '../../crash/granted-anew.js';
import { HOLDER_KEY, parseHolderRecord } from '../../../src/attachment/holder-record.js';
import { READ_ONLY } from '../../../src/csi/publish-context.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { readKrbdDevices } from '../../../src/rbd/mapping/krbd/krbd-sysfs.js';
import { readNbdDevices } from '../../../src/rbd/mapping/nbd/nbd-sysfs.js';
import { KERNEL_ROOTS } from '../../../src/rbd/mapping/roots.js';
import { CRASH_AT } from '../../../src/dev/driver/crash-at.js';
import { damageJournal, journalFiles, journalOf } from '../../crash/journal-files.js';
import type { CrashNode, Holder, Kind, StageHow, Subject, Traces } from '../../crash/subject.js';
import { get, put, readSector, writeSector } from './disk.js';
import { startNode, type Node } from './driver.js';
import { host } from './host.js';
import { MiB } from './images.js';
import { block, mount, Volume } from './volume.js';

/** A driver that was to end itself and has not after this is one that never came to the step, ms. */
const DEATH_MS = 30_000;
const SIZES: Readonly<Record<Kind, number>> = {
  ...{ ext4: 32 * MiB, block: 32 * MiB, xfs: 300 * MiB },
  ...{ kata: 32 * MiB, 'kata-xfs': 300 * MiB },
};
const GROWTH = 16 * MiB;
const REFUSING = fileURLToPath(new URL('../../../../test/fixtures/refusing', import.meta.url));

export class VmNode implements CrashNode {
  readonly refusingPath = REFUSING;
  armed: string | undefined;
  readonly mounter: string;
  #running: Node;

  private constructor(node: Node, mounter: string) {
    this.#running = node;
    this.mounter = mounter;
  }

  static async start(name: string, mounter: string): Promise<VmNode> {
    return new VmNode(await startNode(name), mounter);
  }

  /** Whatever driver runs now: volumes keep it over a restart. */
  get node(): Node {
    const running = (): Node => this.#running;
    return {
      ...{
        name: running().name,
        directory: running().directory,
        log: () => running().log(),
        stop: () => running().stop(),
      },
      get client() {
        return running().client;
      },
      get driver() {
        return running().driver;
      },
    };
  }

  async restart(point?: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { driver, client, name } = this.#running;
    try {
      process.kill(driver.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    await driver.ended;
    client.close();
    const variables = Object.entries(point === undefined ? env : { ...env, [CRASH_AT]: point });
    const within = variables.length === 0 ? [] : ['env', ...variables.map((one) => one.join('='))];
    // The one that ships cannot be told to end itself.
    const program = point === undefined ? 'shipped' : 'development';
    this.#running = await startNode(name, { within, program, until: 'listening' });
    this.armed = point;
  }

  async dies(call: () => Promise<unknown>): Promise<void> {
    const answer = await call().then(
      () => 'it succeeded',
      (error: unknown) => String(error),
    );
    const end = await Promise.race([this.#running.driver.ended, sleep(DEATH_MS, 'alive', { ref: false })]);
    assert.equal(end, 'SIGKILL', `${this.armed ?? 'nothing'} is not reached: ${answer}`);
    this.armed = undefined;
  }

  get #journal(): string {
    return path.join(this.#running.directory, 'driver', 'journal');
  }

  async loseJournal(): Promise<void> {
    process.kill(this.#running.driver.pid, 'SIGKILL');
    await this.#running.driver.ended;
    await rm(this.#journal, { recursive: true });
  }

  damageJournal(): Promise<void> {
    return damageJournal(this.#journal);
  }

  journalFiles(): Promise<readonly string[]> {
    return journalFiles(this.#journal);
  }

  journalOf(id: string): Promise<string | undefined> {
    return journalOf(this.#journal, id);
  }

  async subject(kind: Kind, name: string): Promise<VmSubject> {
    const capability = kind === 'block' ? block : mount(kind);
    const volume = await Volume.create(this.node, capability, SIZES[kind], { mounter: this.mounter }, name);
    const subject = new VmSubject(this, kind, volume);
    this.#subjects.push(subject);
    return subject;
  }

  readonly #subjects: VmSubject[] = [];

  /** Every volume that it made. */
  async remove(): Promise<void> {
    const volumes = new Map(this.#subjects.map((one) => [one.id, one]));
    for (const subject of volumes.values()) await subject.remove();
  }
}

export class VmSubject implements Subject {
  readonly kind: Kind;
  readonly #node: VmNode;
  readonly #volume: Volume;
  #sizeBytes: number;

  constructor(node: VmNode, kind: Kind, volume: Volume) {
    this.#node = node;
    this.kind = kind;
    this.#volume = volume;
    this.#sizeBytes = SIZES[kind];
  }

  get id(): string {
    return this.#volume.id;
  }

  attach(): Promise<void> {
    return this.#volume.attach();
  }

  async stage({ readOnly = false, fsType, flags = [] }: StageHow = {}): Promise<void> {
    const plain = mount(fsType ?? this.kind);
    const isPlain = fsType === undefined && flags.length === 0;
    await this.#volume.stage(undefined, {
      ...(readOnly ? { publishContext: { [READ_ONLY]: 'true' } } : {}),
      ...(isPlain
        ? {}
        : { volumeCapability: { ...plain, mount: { fsType: fsType ?? this.kind, mountFlags: [...flags] } } }),
    });
  }

  async publish(readOnly = false): Promise<void> {
    await this.#volume.publish('pod', readOnly);
  }

  unpublish(): Promise<void> {
    return this.#volume.unpublish();
  }

  unstage(): Promise<void> {
    return this.#volume.unstage();
  }

  detach(): Promise<void> {
    return this.#volume.detachInTime();
  }

  remove(): Promise<void> {
    return this.#volume.remove();
  }

  async growImage(): Promise<void> {
    this.#sizeBytes += GROWTH;
    await this.#volume.expandImage(this.#sizeBytes);
  }

  async growHere(): Promise<void> {
    assert.equal(await this.#volume.expandHere(this.#sizeBytes), this.#sizeBytes);
  }

  async growStaged(): Promise<void> {
    assert.equal(await this.#volume.expandHere(this.#sizeBytes, this.#volume.staging), this.#sizeBytes);
  }

  async write(text: string): Promise<void> {
    await (this.kind === 'block' ? writeSector(this.#target, text) : put(this.#target, text));
  }

  async holds(text: string): Promise<boolean> {
    return (await (this.kind === 'block' ? readSector(this.#target) : get(this.#target))) === text;
  }

  async traces(): Promise<Traces> {
    const mounts = await readMounts();
    const target = this.#target;
    return {
      devices: await this.#devices(),
      stagingMounts: mounts.filter((one) => one.target === this.#volume.staging).length,
      targetMounts: mounts.filter((one) => one.target === target).length,
      records: 0,
      target: await lstat(target).then(
        () => true,
        () => false,
      ),
      journal: await this.#node.journalOf(this.id),
    };
  }

  async holder(): Promise<Holder> {
    return parseHolderRecord(await this.#holderRecord(), this.id)?.holders[0].by;
  }

  async grantAnew(): Promise<void> {
    await host.rbd('image-meta', 'set', this.#image, HOLDER_KEY, grantedAnew(await this.#holderRecord(), this.id));
  }

  async becomeCopy(): Promise<void> {
    const text = await host.rbd('image-meta', 'get', this.#image, FILESYSTEM_KEY);
    await host.rbd('image-meta', 'set', this.#image, FILESYSTEM_KEY, becomeCopy(text.trim()));
  }

  async stopFilesystem(): Promise<void> {
    await run('mount', ['-o', 'remount,ro', this.#volume.staging], { deadline: Deadline.after(60_000) });
  }

  async #holderRecord(): Promise<string | undefined> {
    const text = await host.rbd('image-meta', 'list', this.#image, '--format', 'json');
    return text.trim() === '' ? undefined : (JSON.parse(text) as Record<string, string>)[HOLDER_KEY];
  }

  get #image(): string {
    return this.id.split('/').slice(1).join('/');
  }

  get #target(): string {
    return this.#volume.target('pod');
  }

  async #devices(): Promise<number> {
    const image = this.id.split('/').at(-1);
    const krbd = readKrbdDevices(KERNEL_ROOTS.sys);
    const nbd = await readNbdDevices(KERNEL_ROOTS.sys, KERNEL_ROOTS.proc);
    return [...krbd, ...nbd].filter(({ location }) => location?.image === image).length;
  }
}
