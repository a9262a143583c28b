/** Runs crash cases one after the other on one node: the driver that comes back after a death is the one that dies next. */
import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { CrashCase } from '../../crash/scenarios.js';
import { Site } from '../csi/site.js';
import { LoopGround, type LoopSubject } from './ground.js';

interface Planned extends CrashCase {
  readonly title: string;
  /** The volume's name; its handle ends with it. */
  readonly volume: string;
  readonly point: string;
}

/**
 * Two used volumes of a kind take turns, so that what clears away after one case does not meet the point of the next; a fresh one
 * is the case's own.
 */
function plan(label: string, cases: readonly CrashCase[]): readonly Planned[] {
  return cases.map((one, index) => {
    const { kind, fresh } = one.scenario;
    const volume = fresh ? `${label}-fresh-${index}` : `${label}-${kind}-${index % 2}`;
    const title = one.ms === undefined ? one.at : `${one.at}, ${one.ms} ms into it`;
    return { ...one, volume, title, point: `${one.at}@${volume}${one.ms === undefined ? '' : `+${one.ms}`}` };
  });
}

/** @param label short: it stands in every name */
export function describeCrashes(label: string, cases: readonly CrashCase[]): void {
  const planned = plan(label, cases);
  const written = new Map<string, string>();
  const subjects = new Map<string, LoopSubject>();
  let site: Site;
  let ground: LoopGround;

  beforeAll(async () => {
    site = await Site.open(label);
    ground = new LoopGround(site, await site.driver('node-one').start());
  });
  afterAll(async () => {
    await ground.restart();
    await site.close();
  });

  /** The volume, off the node; what a used one holds is known. */
  async function subjectFor({ volume, scenario }: Planned): Promise<LoopSubject> {
    const known = subjects.get(volume);
    if (known !== undefined) return known;
    const made = await ground.subject(scenario.kind, volume);
    if (!scenario.fresh) {
      if (ground.armed !== undefined) await ground.restart();
      await made.attach();
      await made.stage();
      await comeAndGo(made, volume);
      subjects.set(volume, made);
    }
    return made;
  }

  /** The pod writes, and everything goes; nothing may be left then. */
  async function comeAndGo(subject: LoopSubject, volume: string): Promise<void> {
    await subject.publish();
    const text = `written ${performance.now()}`;
    await subject.write(text);
    written.set(volume, text);
    await leave(subject);
  }

  async function leave(subject: LoopSubject): Promise<void> {
    await subject.unpublish();
    await subject.unstage();
    const left = await subject.traces();
    assert.deepEqual(left, { devices: 0, stagingMounts: 0, targetMounts: 0, target: false, journal: undefined });
    await subject.detach();
    assert.deepEqual(await ground.journalFiles(), []);
  }

  async function crash(one: Planned, next: Planned | undefined): Promise<void> {
    const { scenario, point } = one;
    const subject = await subjectFor(one);
    const env = scenario.env?.(ground);
    if (ground.armed !== point || env !== undefined) await ground.restart(point, env);
    await scenario.before(subject, ground, point);
    await ground.dies(() => scenario.call(subject));
    await ground.restart(next?.point);
    await scenario.after(subject, written.get(one.volume) ?? '');
    if (scenario.fresh) {
      await subject.write('first');
      assert.ok(await subject.holds('first'));
    }
    await leave(subject);
  }

  describe('a driver killed at', () => {
    planned.forEach((one, index) => {
      it(one.title, async ({ onTestFailed }) => {
        onTestFailed(() => void subjects.delete(one.volume));
        await crash(one, planned[index + 1]);
      });
    });
  });
}
