/**
 * What the node must be like after each call, as far as that can be known: the model, and its commands for fast-check.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type fc from 'fast-check';
import { KINDS, PODS, type Call, type Outcome, type System } from './model-system.js';

/** Undefined: a call was cut short, and nobody has asked since. */
type Known = boolean | undefined;

export interface VolumeModel {
  staged: Known;
  readonly published: Known[];
}

/** One for each volume. */
export type Model = VolumeModel[];

export const newModel = (): Model => KINDS.map(() => ({ staged: false, published: PODS.map(() => false) }));

export type How =
  | { readonly kind: 'plain' | 'twice' }
  /**
   * The caller gives up, or the plugin is killed, after so many ms; the call is repeated at once, or left like that.
   */
  | { readonly kind: 'hurried' | 'killed'; readonly ms: number; readonly again: boolean };

type Expectation = 'ok' | 'refused' | 'either';

function expectation(call: Call, { staged, published }: VolumeModel, pod: number): Expectation {
  const byState = (state: Known): Expectation => (state === undefined ? 'either' : state ? 'ok' : 'refused');
  switch (call) {
    case 'stage':
    case 'unpublish':
      return 'ok';
    case 'publish':
    case 'expand':
      return byState(staged);
    case 'stats':
      return byState(published[pod]);
    case 'unstage':
      if (published.includes(true)) return 'refused';
      return published.includes(undefined) ? 'either' : 'ok';
  }
}

/** The call has succeeded. */
function succeed(call: Call, model: VolumeModel, pod: number): void {
  if (call === 'stage' || call === 'expand') model.staged = true;
  if (call === 'publish') [model.staged, model.published[pod]] = [true, true];
  if (call === 'unpublish') model.published[pod] = false;
  if (call === 'unstage') model.staged = false;
}

/** The call may have been done, in part or not at all; one that had nothing to do has changed nothing. */
function doubt(call: Call, model: VolumeModel, pod: number): void {
  if (call === 'stage' && model.staged !== true) model.staged = undefined;
  if (call === 'unstage' && model.staged !== false && !model.published.includes(true)) model.staged = undefined;
  if (call === 'publish' && model.staged !== false && model.published[pod] !== true) model.published[pod] = undefined;
  if (call === 'unpublish' && model.published[pod] !== false) model.published[pod] = undefined;
}

export class NodeCall implements fc.AsyncCommand<Model, System> {
  readonly #call: Call;
  readonly #index: number;
  readonly #pod: number;
  readonly #how: How;
  #said = 'not run';

  constructor(call: Call, index: number, pod: number, how: How) {
    this.#call = call;
    this.#index = index;
    this.#pod = pod;
    this.#how = how;
  }

  check(): boolean {
    return this.#call !== 'expand' || KINDS[this.#index]!.grows;
  }

  async run(model: Model, system: System): Promise<void> {
    const volume = model[this.#index]!;
    if (this.#call === 'expand') await system.growImage(this.#index);
    const outcomes = await this.#perform(system);
    this.#said = outcomes.map(({ status, text }) => `${status} ${text}`.trim()).join(' | ');
    for (const outcome of outcomes) this.#take(outcome, volume);
    const how = this.#how;
    if ('again' in how && how.again && outcomes[0]!.status !== 'OK') {
      const outcome = await system.insist(this.#call, this.#index, this.#pod);
      this.#said += `, again ${outcome.status} ${outcome.text}`;
      this.#take(outcome, volume);
    }
    await checkVolumes(model, system);
  }

  async #perform(system: System): Promise<readonly Outcome[]> {
    const how = this.#how;
    const insist = () => system.insist(this.#call, this.#index, this.#pod);
    switch (how.kind) {
      case 'plain':
        return [await insist()];
      case 'twice':
        return Promise.all([insist(), insist()]);
      case 'hurried':
        return [await system.call(this.#call, this.#index, this.#pod, how.ms)];
      case 'killed': {
        const call = (await system.prepared(this.#call, this.#index, this.#pod))();
        await sleep(how.ms);
        await system.crash();
        return [await call];
      }
    }
  }

  #take({ status, text }: Outcome, volume: VolumeModel): void {
    const expected = expectation(this.#call, volume, this.#pod);
    if (status === 'OK') {
      if (expected === 'refused') throw new Error(`${this.#about} succeeded`);
      succeed(this.#call, volume, this.#pod);
    } else if (['FAILED_PRECONDITION', 'NOT_FOUND'].includes(status)) {
      if (expected === 'ok') throw new Error(`${this.#about} was refused: ${text}`);
    } else if (this.#how.kind === 'hurried' || this.#how.kind === 'killed') {
      const isCut = ['DEADLINE_EXCEEDED', 'ABORTED', 'UNAVAILABLE', 'CANCELLED'].includes(status);
      if (!isCut) throw new Error(`${this.#about} failed with ${status}: ${text}`);
      doubt(this.#call, volume, this.#pod);
    } else {
      throw new Error(`${this.#about} failed with ${status}: ${text}`);
    }
  }

  get #about(): string {
    return `${this.#call} of ${KINDS[this.#index]!.name} at ${PODS[this.#pod]!}`;
  }

  toString(): string {
    const { kind } = this.#how;
    const cut = 'ms' in this.#how ? ` after ${this.#how.ms} ms${this.#how.again ? ', again' : ''}` : '';
    return `${this.#about} (${kind}${cut}: ${this.#said})`;
  }
}

/** A pod writes and reads: what it finds is what was last written, by whichever pod before it. */
export class PodWork implements fc.AsyncCommand<Model, System> {
  readonly #index: number;
  readonly #pod: number;
  readonly #text: string;

  constructor(index: number, pod: number, text: string) {
    this.#index = index;
    this.#pod = pod;
    this.#text = text;
  }

  check(model: Readonly<Model>): boolean {
    return model[this.#index]!.published[this.#pod] === true;
  }

  async run(_model: Model, system: System): Promise<void> {
    if (!(await system.isIntact(this.#index, this.#pod))) throw new Error(`${this.toString()}: the data is not there`);
    await system.write(this.#index, this.#pod, this.#text);
  }

  toString(): string {
    return `the pod ${PODS[this.#pod]!} of ${KINDS[this.#index]!.name} reads, and writes ${this.#text}`;
  }
}

/** The plugin dies between two calls. */
export class Crash implements fc.AsyncCommand<Model, System> {
  check(): boolean {
    return true;
  }

  async run(model: Model, system: System): Promise<void> {
    await system.crash();
    await checkVolumes(model, system);
  }

  toString(): string {
    return 'the plugin is killed and started';
  }
}

/** At most one device whatever happened, and where the model knows it: mounted if and only if staged or published. */
async function checkVolumes(model: Model, system: System): Promise<void> {
  for (const [index, { staged, published }] of model.entries()) {
    const { name } = KINDS[index]!;
    const devices = await system.devicesOf(index);
    if (devices.length > 1) throw new Error(`${name} is mapped more than once: ${devices.join(', ')}`);
    const { staging, targets } = await system.mountsOf(index);
    const should = (what: string, is: number, wanted: number): void => {
      if (is !== wanted) throw new Error(`${name}: ${what} should be ${wanted} and is ${is}`);
    };
    if (staged !== undefined) {
      should('devices', devices.length, staged ? 1 : 0);
      should('staging mounts', staging, staged && name !== 'block' ? 1 : 0);
    }
    for (const [pod, is] of published.entries()) {
      if (is === undefined) continue;
      should(`mounts for the pod ${PODS[pod]!}`, targets[pod]!, is ? 1 : 0);
      if (!is) should(`a target path of the pod ${PODS[pod]!}`, Number(await system.hasTargetPath(index, pod)), 0);
    }
  }
}

/** Take everything away by ordinary calls, whatever the run left, and see that nothing stays and no data is lost. */
export async function quiesce(system: System): Promise<void> {
  const wanted = async (call: Call, index: number, pod = 0): Promise<void> => {
    const { status, text } = await system.insist(call, index, pod);
    if (status !== 'OK') throw new Error(`at the end, ${call} of ${KINDS[index]!.name} answers ${status}: ${text}`);
  };
  for (const index of KINDS.keys()) {
    for (const pod of PODS.keys()) await wanted('unpublish', index, pod);
    await wanted('unstage', index);
  }
  await checkVolumes(newModel(), system);
  const left = await system.leftOver();
  if (left.length > 0) throw new Error(`left over: ${left.join(', ')}`);
}
