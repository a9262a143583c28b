/** What becomes of a decided act: carried out, overtaken by the orchestrator, to be tried again, or failed. */
import { expect, it, vi } from 'vitest';
import { berthError } from '../../../src/model/errors.js';
import { carryOut, type RecoveryActs } from '../../../src/reconcile/act.js';
import type { RecoveryAct } from '../../../src/reconcile/decision.js';
import type { OrphanedDirectory } from '../../../src/volume/node/recovery/orphaned-directory.js';
import { AGE_MS, entry, kubelet, NOW, POD, VOLUME } from './node-facts-fixture.js';

const round = { facts: { now: NOW, ageMs: AGE_MS }, driver: 'rbd.csi.berth.dev' };
const log = { info: vi.fn(), debug: vi.fn() };
const act = (kind: 'undo' | 'forget' | 'give back'): RecoveryAct => ({
  kind,
  volume: VOLUME,
  entry: entry(),
  why: 'w',
});

const carry = (acts: Partial<RecoveryActs>, decided: readonly RecoveryAct[], stopped = () => false) =>
  carryOut({ acts: acts as RecoveryActs, log }, decided, round, stopped);

it('counts what was done, and is silent where the volume has changed since', async () => {
  const acts: Partial<RecoveryActs> = {
    takeDown: () => Promise.resolve('done'),
    forget: () => Promise.resolve('changed'),
  };
  expect(await carry(acts, [act('undo'), act('forget')])).toEqual({ done: 1, failed: 0, reports: [] });
});

it('reports what has to wait for a cluster or for a guest', async () => {
  for (const [outcome, why] of [
    ['later', 'w; its cluster does not answer'],
    ['in use', 'w; a guest still has the image open'],
  ] as const) {
    const { reports } = await carry({ returnRecord: () => Promise.resolve(outcome) }, [act('give back')]);
    expect(reports).toEqual([{ subject: VOLUME, kind: 'ours', what: why, todo: '' }]);
  }
});

it('leaves a volume at which the orchestrator is, and reports any other failure', async () => {
  const busy = berthError('BERTH_BUSY', { key: VOLUME, op: 'stage', step: 'map', age: 1, detail: '' });
  expect(await carry({ takeDown: () => Promise.reject(busy) }, [act('undo')])).toMatchObject({ failed: 0 });
  const failed = await carry({ takeDown: () => Promise.reject(new Error('it is busy')) }, [act('undo')]);
  expect(failed.reports).toMatchObject([{ subject: VOLUME, what: 'undo: w; it is busy' }]);
});

it('goes on with the node while a cluster does not answer, and begins nothing once it is stopped', async () => {
  let answer: (outcome: 'later') => void = () => undefined;
  const forget = vi.fn(() => Promise.resolve('done' as const));
  const returnRecord = () => new Promise<'later'>((resolve) => (answer = resolve));
  const carrying = carry({ returnRecord, forget }, [act('give back'), act('forget')]);
  await expect.poll(() => forget.mock.calls.length).toBe(1);
  answer('later');
  expect(await carrying).toMatchObject({ done: 1, failed: 1 });
  expect(await carry({ forget }, [act('forget')], () => true)).toEqual({ done: 0, failed: 0, reports: [] });
});

it('a node that comes back with a hundred volumes: one act on it and one of a cluster at a time', async () => {
  let [running, most] = [0, 0];
  const work = async (): Promise<'done'> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return 'done';
  };
  const all = Array.from({ length: 100 }, () => [act('undo'), act('forget'), act('give back')]).flat();
  const { done } = await carry({ takeDown: work, forget: work, returnRecord: work }, all);
  expect(done).toBe(300);
  expect(most).toBe(2);
});

it('hands a directory on with what makes it a leftover', async () => {
  const removed: OrphanedDirectory[] = [];
  const removeDirectory: RecoveryActs['removeDirectory'] = (leftover) => {
    removed.push(leftover);
    return Promise.resolve('done');
  };
  await carry({ removeDirectory }, [{ kind: 'clear', volume: VOLUME, leftover: kubelet(), why: 'w' }]);
  const unchangedSince = NOW - AGE_MS;
  expect(removed).toMatchObject([{ volume: VOLUME, quietBelow: POD, unchangedSince, driver: round.driver }]);
});
