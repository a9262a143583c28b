/**
 * The node of the crash tests on the loop-device cluster: a real driver that ends itself, and volumes that outlive it.
 */
import assert from 'node:assert/strict';
import { lstat, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseHolderRecord, HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { FILESYSTEM_KEY } from '../../../src/volume/image/provenance.js';
import { becomeCopy } from '../../crash/become-copy.js';
import { grantedAnew } from '../../crash/granted-anew.js';
import { READ_ONLY } from '../../../src/csi/publish-context.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { run } from '../../../src/host/process/exec.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { CRASH_AT } from '../../../src/dev/driver/crash-at.js';
import { damageJournal, journalFiles, journalOf } from '../../crash/journal-files.js';
import { asGuest, recordAt, recordsOf } from '../../kata/host.js';
import type { CrashNode, Holder, Kind, PublishHow, StageHow, Subject, Traces } from '../../crash/subject.js';
import { block, MiB, mount, SMALL_BYTES, XFS_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, hasSector, put, putSector } from '../csi/files.js';
import type { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';

/** A driver that was to end itself and has not after this is one that never came to the step, ms. */
const DEATH_MS = 30_000;
const GROWTH = 16 * MiB;

const PARAMETERS: Readonly<Partial<Record<Kind, Readonly<Record<string, string>>>>> = {
  kata: { sandbox: 'kata' },
  'kata-xfs': { sandbox: 'kata', allowHostMount: 'true' },
};
const filesystemOf = (kind: Kind): string => (kind.endsWith('xfs') ? 'xfs' : 'ext4');

export class LoopNode implements CrashNode {
  readonly refusingPath = path.resolve('test/fixtures/refusing');
  readonly site: Site;
  readonly driver: Driver;
  /** What the running driver is to end itself at. */
  armed: string | undefined;

  constructor(site: Site, driver: Driver) {
    this.site = site;
    this.driver = driver;
  }

  async restart(point?: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.driver.stop('SIGKILL');
    await this.driver.start('listening', point === undefined ? env : { ...env, [CRASH_AT]: point });
    this.armed = point;
  }

  async dies(call: () => Promise<unknown>): Promise<void> {
    const answer = await call().then(
      () => 'it succeeded',
      (error: unknown) => String(error),
    );
    assert.equal(await this.driver.death(DEATH_MS), 'SIGKILL', `${this.armed ?? 'nothing'} is not reached: ${answer}`);
    this.armed = undefined;
  }

  get #journal(): string {
    return path.join(this.driver.stateDir, 'journal');
  }

  async loseJournal(): Promise<void> {
    await this.driver.stop('SIGKILL');
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

  async subject(kind: Kind, name: string): Promise<LoopSubject> {
    const sizeBytes = kind.endsWith('xfs') ? XFS_BYTES : SMALL_BYTES;
    const capability = kind === 'block' ? block() : mount(filesystemOf(kind));
    const parameters = PARAMETERS[kind] ?? {};
    const volume = await this.site.create(this.driver, capability, { name, sizeBytes, parameters });
    return new LoopSubject(this, kind, volume, sizeBytes);
  }
}

export class LoopSubject implements Subject {
  readonly kind: Kind;
  readonly #node: LoopNode;
  readonly #volume: Volume;
  #sizeBytes: number;

  constructor(node: LoopNode, kind: Kind, volume: Volume, sizeBytes: number) {
    this.#node = node;
    this.kind = kind;
    this.#volume = volume;
    this.#sizeBytes = sizeBytes;
  }

  get id(): string {
    return this.#volume.id;
  }

  get #driver(): Driver {
    return this.#node.driver;
  }

  attach(): Promise<void> {
    return this.#volume.attach(this.#driver);
  }

  async stage({ readOnly = false, fsType, flags, sandbox }: StageHow = {}): Promise<void> {
    const isPlain = fsType === undefined && flags === undefined;
    await this.#volume.stage(this.#driver, {
      ...(readOnly ? { publishContext: { [READ_ONLY]: 'true' } } : {}),
      ...(isPlain ? {} : { volumeCapability: mount(fsType ?? filesystemOf(this.kind), undefined, flags) }),
      ...(sandbox === undefined ? {} : { volumeContext: { sandbox } }),
    });
  }

  async publish(readOnly = false, { sandbox, group }: PublishHow = {}): Promise<void> {
    const { mount: how } = mount(filesystemOf(this.kind));
    const { accessMode } = this.#volume.capability;
    await this.#volume.publish(this.#driver, 'pod', {
      readonly: readOnly,
      ...(sandbox === undefined ? {} : { volumeContext: { sandbox } }),
      ...(group === undefined
        ? {}
        : { volumeCapability: { mount: { ...how, volumeMountGroup: group }, ...(accessMode ? { accessMode } : {}) } }),
    });
  }

  unpublish(): Promise<void> {
    return this.#volume.unpublish(this.#driver);
  }

  unstage(): Promise<void> {
    return this.#volume.unstage(this.#driver);
  }

  detach(): Promise<void> {
    return this.#volume.detach(this.#driver);
  }

  async growImage(): Promise<void> {
    this.#sizeBytes += GROWTH;
    await this.#volume.expand(this.#sizeBytes);
  }

  async growHere(): Promise<void> {
    await this.#growAt(await this.#target());
  }

  async growStaged(): Promise<void> {
    await this.#growAt(await this.#driver.stagingPath(this.id));
  }

  async #growAt(volumePath: string): Promise<void> {
    const size = await this.#volume.expandOn(this.#driver, this.#sizeBytes, volumePath);
    assert.equal(size, String(this.#sizeBytes));
  }

  async write(text: string): Promise<void> {
    if (this.kind === 'block') await putSector(await this.#target(), 0, text);
    else await this.#asPod((directory) => put(directory, text));
  }

  async holds(text: string): Promise<boolean> {
    if (this.kind === 'block') return hasSector(await this.#target(), 0, text);
    return this.#asPod(async (directory) => (await get(directory)) === text);
  }

  async #asPod<T>(use: (directory: string) => Promise<T>): Promise<T> {
    if (!this.kind.startsWith('kata')) return use(await this.#target());
    const { device } = await recordAt(this.#driver.kataRecords, await this.#target());
    return asGuest({ device, fsType: filesystemOf(this.kind) }, use);
  }

  async traces(): Promise<Traces> {
    const [target, staging] = [await this.#target(), await this.#driver.stagingPath(this.id)];
    const mounts = await readMounts();
    const name = this.id.split('/').at(-1)!;
    return {
      devices: (await findLoops()).filter(({ file }) => file.endsWith(`:${name}`)).length,
      stagingMounts: mounts.filter((one) => one.target === staging).length,
      targetMounts: mounts.filter((one) => one.target === target).length,
      target: await lstat(target).then(
        () => true,
        () => false,
      ),
      records: (await recordsOf(this.#driver.kataRecords)).filter(({ volume }) => volume === this.id).length,
      journal: await this.#node.journalOf(this.id),
    };
  }

  async holder(): Promise<Holder> {
    const metadata = await this.#node.site.metadata(this.#volume.image);
    return parseHolderRecord(metadata[HOLDER_KEY], this.id)?.holders[0].by;
  }

  async grantAnew(): Promise<void> {
    const { site } = this.#node;
    const { image } = this.#volume;
    const text = grantedAnew((await site.metadata(image))[HOLDER_KEY], this.id);
    await site.rbd('image-meta', 'set', image, HOLDER_KEY, text);
  }

  async becomeCopy(): Promise<void> {
    const { site } = this.#node;
    const { image } = this.#volume;
    const text = becomeCopy((await site.metadata(image))[FILESYSTEM_KEY]);
    await site.rbd('image-meta', 'set', image, FILESYSTEM_KEY, text);
  }

  async stopFilesystem(): Promise<void> {
    const stagingPath = await this.#driver.stagingPath(this.id);
    await run('mount', ['-o', 'remount,ro', stagingPath], { deadline: Deadline.after(30_000) });
  }

  #target(): Promise<string> {
    return this.#driver.targetPath(this.id, 'pod');
  }
}
