/**
 * Runs crash cases one after the other on one node: the driver that comes back after a death is the one that dies next.
 */
import assert from 'node:assert/strict';
import { isOffTheNode } from './scenario.js';
import type { CrashCase } from './planned-cases.js';
import type { CrashNode, Subject } from './subject.js';

export interface Planned extends CrashCase {
  readonly title: string;
  /** The volume's name; its handle ends with it. */
  readonly volume: string;
  /** As BERTH_CRASH_AT has it. */
  readonly point: string;
}

/**
 * Two used volumes of a kind take turns, so that what clears away after one case does not meet the point of the next; a
 * fresh one is the case's own.
 * @param label short: it stands in every name
 */
export function plan(label: string, cases: readonly CrashCase[]): readonly Planned[] {
  return cases.map((one, index) => {
    const { kind, fresh } = one.scenario;
    const volume = fresh ? `${label}-fresh-${index}` : `${label}-${kind}-${index % 2}`;
    const title = one.ms === undefined ? one.at : `${one.at}, ${one.ms} ms into it`;
    return { ...one, volume, title, point: `${one.at}@${volume}${one.ms === undefined ? '' : `+${one.ms}`}` };
  });
}

export class CrashRun {
  readonly #node: CrashNode;
  readonly #planned: readonly Planned[];
  readonly #subjects = new Map<string, Subject>();
  /** What the pod wrote to a used volume. */
  readonly #written = new Map<string, string>();

  constructor(node: CrashNode, planned: readonly Planned[]) {
    this.#node = node;
    this.#planned = planned;
  }

  async run(one: Planned): Promise<void> {
    const { scenario, point, volume } = one;
    const node = this.#node;
    const subject = await this.#subjectFor(one);
    // Known again only when all went well: a failed case leaves a volume that nobody knows the state of.
    this.#subjects.delete(volume);
    const env = scenario.env?.(node);
    if (node.armed !== point || env !== undefined) await node.restart(point, env);
    await scenario.before(subject, node, point);
    await node.dies(() => scenario.call(subject));
    await node.restart(this.#planned[this.#planned.indexOf(one) + 1]?.point);
    await scenario.after(subject, this.#written.get(volume) ?? '');
    if (scenario.fresh) {
      await subject.write('first');
      assert.ok(await subject.holds('first'));
    }
    await this.#leave(subject);
    if (!scenario.fresh) this.#subjects.set(volume, subject);
  }

  /** The volume, off the node; what a used one holds is known. */
  async #subjectFor({ volume, scenario }: Planned): Promise<Subject> {
    const known = this.#subjects.get(volume);
    if (known !== undefined) return known;
    if (scenario.fresh) return this.#node.subject(scenario.kind, volume);
    if (this.#node.armed !== undefined) await this.#node.restart();
    const made = await this.#node.subject(scenario.kind, volume);
    await made.attach();
    await made.stage();
    await made.publish();
    const text = `written ${performance.now()}`;
    await made.write(text);
    this.#written.set(volume, text);
    await this.#leave(made);
    return made;
  }

  /** From pod to nowhere; nothing may be left then. */
  async #leave(subject: Subject): Promise<void> {
    await subject.unpublish();
    await subject.unstage();
    await isOffTheNode(subject);
    await subject.detach();
    assert.deepEqual(await this.#node.journalFiles(), []);
  }
}
