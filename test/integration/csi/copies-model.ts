/** What volumes, snapshots and groups must hold after each call: the model, and its commands for fast-check. */
import { createHash } from 'node:crypto';
import type fc from 'fast-check';
import { expect } from 'vitest';
import type { How } from '../node/model.js';
import { OBJECT, SIZE, type Asks, type CopySystem, type Source } from './copies-system.js';

interface Content {
  readonly data: Buffer;
}

interface VolumeModel extends Content {
  readonly id: string;
  data: Buffer;
}

export interface Model {
  readonly volumes: VolumeModel[];
  readonly deleted: VolumeModel[];
  readonly snapshots: (Content & { readonly id: string; readonly group: string | undefined })[];
  /** Calls that were cut short and that nobody has repeated: each is, at the end. What they make is deleted then. */
  readonly unanswered: (() => Promise<void>)[];
}

export const newModel = (): Model => ({ volumes: [], deleted: [], snapshots: [], unanswered: [] });

export type Act =
  | 'create'
  | 'write'
  | 'snapshot'
  | 'restore'
  | 'clone'
  | 'group'
  | 'expand'
  | 'delete'
  | 'undelete'
  | 'delete snapshot';

const GROWTH = 4 * OBJECT;
const grown = (data: Buffer, sizeBytes: number): Buffer =>
  Buffer.concat([data, Buffer.alloc(Math.max(sizeBytes - data.length, 0))]);

/** One call, at one of the things that are there. */
export class CopyCall implements fc.AsyncCommand<Model, CopySystem> {
  readonly #act: Act;
  readonly #pick: number;
  readonly #byte: number;
  readonly #how: How;

  constructor(act: Act, pick: number, byte: number, how: How) {
    this.#act = act;
    this.#pick = pick;
    this.#byte = byte;
    this.#how = how;
  }

  check({ volumes, snapshots, deleted }: Readonly<Model>): boolean {
    if (this.#act === 'create') return volumes.length < 4;
    if (this.#act === 'undelete') return deleted.length > 0;
    if (this.#act === 'restore') return snapshots.length > 0 && volumes.length < 4;
    if (this.#act === 'delete snapshot') return snapshots.length > 0;
    return volumes.length > (this.#act === 'group' ? 1 : 0);
  }

  run(model: Model, system: CopySystem): Promise<void> {
    const { volumes, snapshots, deleted } = model;
    const volume = volumes[this.#pick % volumes.length];
    const snapshot = snapshots[this.#pick % snapshots.length];
    switch (this.#act) {
      case 'create':
        return this.#make(model, system, Buffer.alloc(SIZE));
      case 'clone':
        return this.#make(model, system, volume!.data, { volume: { volumeId: volume!.id } });
      case 'restore':
        return this.#make(model, system, snapshot!.data, { snapshot: { snapshotId: snapshot!.id } });
      case 'write':
        return this.#write(system, volume!);
      case 'expand':
        return this.#expand(system, volume!);
      case 'snapshot':
        return this.#snapshot(model, system, [volume!]);
      case 'group':
        return this.#snapshot(model, system, [volume!, volumes[(this.#pick + 1) % volumes.length]!]);
      case 'delete':
        return this.#delete(model, system, volume!);
      case 'delete snapshot':
        return this.#deleteSnapshot(model, system, snapshot!);
      case 'undelete':
        return this.#undelete(model, system, deleted[this.#pick % deleted.length]!);
    }
  }

  async #make(model: Model, system: CopySystem, from: Buffer, source?: Source): Promise<void> {
    // Now and then larger than its source.
    const data = grown(from, from.length + (this.#byte % 2) * GROWTH);
    const asks = system.create(system.unique('copy'), data.length, source);
    const made = await system.perform(this.#how, asks);
    if (made !== undefined) {
      model.volumes.push({ id: made.id, data });
      await isIntact(system, made.id, data);
      return;
    }
    model.unanswered.push(async () => {
      // Its source may have been deleted since, and then there never is a copy.
      const late = await system.insist(asks).catch((error: unknown) => {
        if (source === undefined || !String(error).includes('BERTH_SOURCE_NOT_FOUND')) throw error;
      });
      if (late !== undefined) await system.insist(system.deleteVolume(late.id));
    });
  }

  async #write(system: CopySystem, volume: VolumeModel): Promise<void> {
    const slot = this.#pick % (volume.data.length / OBJECT);
    await system.write(volume.id, slot, this.#byte);
    volume.data = Buffer.from(volume.data);
    volume.data.fill(this.#byte, slot * OBJECT, (slot + 1) * OBJECT);
    await isIntact(system, volume.id, volume.data);
  }

  async #expand(system: CopySystem, volume: VolumeModel): Promise<void> {
    const size = volume.data.length + GROWTH;
    // A size that nobody knows is of no use to the model: it is always asked for again.
    const how = 'again' in this.#how ? { ...this.#how, again: true } : this.#how;
    await system.perform(how, system.expand(volume.id, size));
    volume.data = grown(volume.data, size);
    await isIntact(system, volume.id, volume.data);
  }

  async #snapshot({ snapshots, unanswered }: Model, system: CopySystem, of: readonly VolumeModel[]): Promise<void> {
    const [one] = of;
    const name = system.unique('cut');
    type Taken = { readonly ids: readonly string[]; readonly group?: string };
    const volumes = of.map(({ id }) => id);
    const asks: Asks<Taken> = of.length > 1 ? system.group(name, volumes) : system.snapshot(name, one!.id);
    const taken = await system.perform(this.#how, asks);
    if (taken !== undefined) {
      for (const [n, id] of taken.ids.entries()) snapshots.push({ id, group: taken.group, data: of[n]!.data });
      return;
    }
    unanswered.push(async () => {
      const late = await system.insist(asks).catch((error: unknown) => {
        if (!String(error).includes('BERTH_VOLUME_NOT_FOUND')) throw error;
      });
      if (late?.group !== undefined) await system.insist(system.deleteGroup(late.group));
      else if (late !== undefined) await system.insist(system.deleteSnapshot(late.ids[0]!));
    });
  }

  async #delete(model: Model, system: CopySystem, volume: VolumeModel): Promise<void> {
    take(model.volumes, (one) => one === volume);
    await this.#deleted(model, system, system.deleteVolume(volume.id), () => model.deleted.push(volume));
  }

  /** A member goes with its group. */
  async #deleteSnapshot(model: Model, system: CopySystem, { id, group }: Model['snapshots'][number]): Promise<void> {
    take(model.snapshots, (one) => (group === undefined ? one.id === id : one.group === group));
    await this.#deleted(model, system, group === undefined ? system.deleteSnapshot(id) : system.deleteGroup(group));
  }

  async #deleted(model: Model, system: CopySystem, asks: Asks<unknown>, then: () => unknown = () => {}): Promise<void> {
    if ((await system.perform(this.#how, asks)) !== undefined) then();
    else model.unanswered.push(() => system.insist(asks).then(() => undefined));
  }

  async #undelete(model: Model, system: CopySystem, volume: VolumeModel): Promise<void> {
    await system.undelete(volume.id);
    take(model.deleted, (one) => one === volume);
    model.volumes.push(volume);
    await isIntact(system, volume.id, volume.data);
  }

  toString(): string {
    const cut = 'ms' in this.#how ? ` after ${this.#how.ms} ms${this.#how.again ? ', again' : ''}` : '';
    return `${this.#act} ${this.#pick} ${this.#byte} (${this.#how.kind}${cut})`;
  }
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

function take<T>(all: T[], isIt: (one: T) => boolean): void {
  const rest = all.filter((one) => !isIt(one));
  all.splice(0, all.length, ...rest);
}

async function isIntact(system: CopySystem, id: string, data: Buffer): Promise<void> {
  const found = await system.read(id);
  expect([found.length, sha256(found)], `the data of ${id}`).toEqual([data.length, sha256(data)]);
}

/** Each volume and each snapshot has what it must have; then all is deleted, and nothing is left. */
export async function quiesce(model: Model, system: CopySystem): Promise<void> {
  for (const { id, data } of model.volumes) await isIntact(system, id, data);
  for (const { id, data } of model.snapshots) {
    const source = { snapshot: { snapshotId: id } };
    const copy = await system.insist(system.create(system.unique('seen'), data.length, source));
    await isIntact(system, copy.id, data);
    await system.insist(system.deleteVolume(copy.id));
  }
  for (const repeat of model.unanswered) await repeat();
  for (const { id } of model.volumes) await system.insist(system.deleteVolume(id));
  for (const { id, group } of model.snapshots)
    await system.insist(group === undefined ? system.deleteSnapshot(id) : system.deleteGroup(group));
  expect(await system.left(), 'what is left when all was deleted').toEqual([]);
}
