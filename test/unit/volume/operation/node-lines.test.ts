/** Hundreds of pods that start at once on a node: who waits has done nothing, loses nothing, and keeps his place. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { CallLines, NODE_STALL_MS, NODE_WIDTHS } from '../../../../src/volume/operation/call-lines.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import type { NodeSteps } from '../../../../src/volume/operation/steps.js';

const WIDTH = NODE_WIDTHS.stage!;
const HUNG_MS = 60_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

afterEach(() => void vi.useRealTimers());

/** A node whose operations end when they are told to. */
function node({ stallMs }: { stallMs?: number } = {}) {
  const lines = new CallLines({ widths: NODE_WIDTHS, ...(stallMs === undefined ? {} : { stallMs }) });
  const operations = new Operations<NodeSteps>({ children: false, turn: lines.take });
  const begun: string[] = [];
  const left: number[] = [];
  const ends: (() => void)[] = [];
  const run = (op: keyof NodeSteps, volume: string, ms = HUNG_MS): Promise<void> =>
    operations.run(volume, { op, fingerprint: '' }, Deadline.after(ms), async (_, deadline) => {
      begun.push(`${op} ${volume}`);
      left.push(deadline.remaining());
      await new Promise<void>((end) => ends.push(end));
    });
  const stages = (count: number, ms?: number): Promise<void>[] =>
    Array.from({ length: count }, (_, n) => run('stage', `a/rbd/v${n}`, ms));
  const finish = async (): Promise<void> => {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      if (ends.length > 0) quiet = 0;
      for (const end of ends.splice(0)) end();
      await turn();
    }
  };
  return { begun, left, run, stages, finish };
}

describe('a node of which 500 stages are asked at once', () => {
  it('works on so many at a time and in the order in which they came', async () => {
    const { begun, stages, finish } = node();
    const all = stages(500);
    await turn();
    expect(begun).toHaveLength(WIDTH);
    await finish();
    await Promise.all(all);
    expect(begun).toEqual(Array.from({ length: 500 }, (_, n) => `stage a/rbd/v${n}`));
  });

  it('whose callers give up: they are told that it is in line; who comes again finds his place', async () => {
    const { begun, stages, finish } = node();
    const first = await Promise.allSettled(stages(500, 30));
    const said = first.map((one) => (one.status === 'rejected' ? String(one.reason) : ''));
    expect(said[0]).toMatch(/BERTH_DEADLINE: stage of a\/rbd\/v0 \(step start,/);
    expect(said[499]).toMatch(/BERTH_DEADLINE: stage of a\/rbd\/v499 \(step in line,/);
    const again = stages(500);
    await finish();
    await Promise.all(again);
    expect(begun).toHaveLength(500);
  });

  it('gives each of them its whole time from its turn on', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { left, stages, finish } = node();
    const all = stages(WIDTH + 1);
    vi.advanceTimersByTime(HUNG_MS / 2);
    await finish();
    await Promise.all(all);
    expect(left.at(-1)).toBe(HUNG_MS);
  });

  it('begins what ends a volume, what publishes one, and stages of another cluster at once', async () => {
    const { begun, stages, run, finish } = node();
    const all = stages(500);
    await turn();
    const others = [run('unstage', 'a/rbd/x'), run('publish', 'a/rbd/y'), run('stage', 'b/rbd/z')];
    await turn();
    expect(begun.slice(WIDTH)).toEqual(['unstage a/rbd/x', 'publish a/rbd/y', 'stage b/rbd/z']);
    await finish();
    await Promise.all([...all, ...others]);
  });

  it('whose first ones hang: begins one more at a time, and the others get through', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { begun, stages, finish } = node({ stallMs: NODE_STALL_MS });
    const all = stages(WIDTH + 3);
    for (const more of [1, 2, 3]) {
      await vi.advanceTimersByTimeAsync(NODE_STALL_MS);
      expect(begun).toHaveLength(WIDTH + more);
    }
    await finish();
    await Promise.all(all);
    // Their places are gone with them: as many begin as at first.
    const next = stages(500);
    await turn();
    expect(begun).toHaveLength(2 * WIDTH + 3);
    await finish();
    await Promise.all(next);
  });
});
