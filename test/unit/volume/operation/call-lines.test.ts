/** A backlog of one kind of calls, or of one cluster, keeps no other waiting, and has an end. */
import { describe, expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import type { ControllerSteps } from '../../../../src/volume/operation/steps.js';
import { CallLines, CONTROLLER_WIDTHS } from '../../../../src/volume/operation/call-lines.js';

const soon = (): Deadline => Deadline.after(60_000);

/** A controller whose operations end when they are told to. */
function controller(longest = 1_000) {
  const lines = new CallLines({ widths: CONTROLLER_WIDTHS, longest });
  const operations = new Operations<ControllerSteps>({ children: false, turn: lines.take });
  const ends: (() => void)[] = [];
  const begun = { create: 0, delete: 0, attach: 0 };
  let running = 0;
  let most = 0;
  const run = (op: keyof typeof begun, volume: string): Promise<void> =>
    operations.run(volume, { op, fingerprint: '' }, soon(), async () => {
      begun[op] += 1;
      most = Math.max(most, (running += 1));
      await new Promise<void>((end) => ends.push(end));
      running -= 1;
    });
  const many = (op: keyof typeof begun, count: number, cluster = 'a'): Promise<void>[] =>
    Array.from({ length: count }, (_, n) => run(op, `${cluster}/rbd/v${op}${n}`));
  /** Until nothing is left. */
  const finish = async (): Promise<void> => {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      if (ends.length > 0) quiet = 0;
      for (const end of ends.splice(0)) end();
      await new Promise(setImmediate);
    }
  };
  return { operations, begun, run, many, finish, most: () => most };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a controller', () => {
  it('with 500 deletes and 500 creates waiting begins an attach at once', async () => {
    const { begun, run, many, finish } = controller();
    const backlog = [...many('delete', 500), ...many('create', 500)];
    await turn();
    expect(begun).toEqual({ create: 12, delete: 8, attach: 0 });
    const attach = run('attach', 'a/rbd/other');
    await turn();
    expect(begun.attach).toBe(1);
    await finish();
    await Promise.all([...backlog, attach]);
    expect(begun).toEqual({ create: 500, delete: 500, attach: 1 });
  });

  it('with 500 creates waiting for one cluster begins those of another at once', async () => {
    const { begun, many, finish } = controller();
    const backlog = many('create', 500);
    await turn();
    const others = many('create', 5, 'b');
    await turn();
    expect(begun.create).toBe(12 + 5);
    await finish();
    await Promise.all([...backlog, ...others]);
  });

  it('with 2,000 creates at once works on 12, lets 1,000 wait, and answers ABORTED to the others at once', async () => {
    const { many, finish, most, operations } = controller();
    const all = many('create', 2_000).map((one) => one.catch((error: unknown) => error));
    await turn();
    expect(operations.size).toBe(1_012);
    await finish();
    const refused = (await Promise.all(all)).filter((one) => one !== undefined);
    expect(refused).toHaveLength(988);
    expect(refused[0]).toMatchObject({ code: 'BERTH_TOO_MANY_CALLS', status: 'ABORTED' });
    expect(most()).toBe(12);
    expect(operations.size).toBe(0);
  });

  it('whose call is repeated while it waits has one of it in the line', async () => {
    const { begun, many, run, finish, operations } = controller();
    const backlog = many('create', 20);
    const again = Array.from({ length: 50 }, () => run('create', 'a/rbd/vcreate19'));
    await turn();
    expect(operations.size).toBe(20);
    await finish();
    await Promise.all([...backlog, ...again]);
    expect(begun.create).toBe(20);
  });

  it('says for how long nothing has been under way', async () => {
    const { operations, run, finish } = controller();
    expect(operations.idleMs).toBe(Number.POSITIVE_INFINITY);
    const one = run('create', 'a/rbd/v');
    expect(operations.idleMs).toBe(0);
    await turn();
    await finish();
    await one;
    expect(operations.idleMs).toBeLessThan(60_000);
  });
});
