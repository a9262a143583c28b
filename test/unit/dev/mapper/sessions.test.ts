/** A session that went well is kept for a moment, one that failed is not, and nobody keeps the daemon for ever. */
import { beforeEach, expect, it, vi } from 'vitest';
import { QmpError, type QmpSession } from '../../../../src/dev/mapper/qmp.js';
import { Sessions } from '../../../../src/dev/mapper/sessions.js';
import { Deadline } from '../../../../src/model/deadline.js';

const soon = (): Deadline => Deadline.after(60_000);

interface FakeSession {
  begunAt: number;
  hasEnded: boolean;
  rest: () => void;
  wake: () => void;
  execute: () => Promise<unknown>;
  close: () => void;
}

let made: FakeSession[];
let isRunning: boolean;
const prepare = vi.fn(() => Promise.resolve());

function fresh(): QmpSession {
  const session: FakeSession = {
    begunAt: performance.now(),
    hasEnded: false,
    rest: () => undefined,
    wake: () => undefined,
    execute: () => Promise.resolve(),
    close: () => (session.hasEnded = true),
  };
  made.push(session);
  return session as unknown as QmpSession;
}

const sessions = (): Sessions =>
  new Sessions(
    { connect: () => Promise.resolve(isRunning ? fresh() : undefined), start: () => Promise.resolve(fresh()) },
    prepare,
  );

beforeEach(() => {
  made = [];
  isRunning = true;
  prepare.mockClear();
});

it('is the next one’s, and closed when none comes', async () => {
  const all = sessions();
  for (let turn = 0; turn < 3; turn += 1) expect(await all.run(soon(), () => Promise.resolve(turn))).toBe(turn);
  expect(made).toHaveLength(1);
  await expect.poll(() => made[0]?.hasEnded, { timeout: 60_000 }).toBe(true);
  await all.run(soon(), () => Promise.resolve());
  expect(made).toHaveLength(2);
});

it('is nobody else’s while one has it', async () => {
  const all = sessions();
  await all.run(soon(), () => Promise.resolve());
  const [one, other] = await Promise.all([all.connect(soon()), all.connect(soon())]);
  expect(one).not.toBe(other);
});

it('that has ended meanwhile is not given to anybody', async () => {
  const all = sessions();
  await all.run(soon(), () => Promise.resolve());
  made[0]!.hasEnded = true;
  await all.run(soon(), () => Promise.resolve());
  expect(made).toHaveLength(2);
  // Its end is there already, and nobody has been told yet.
  made[1]!.execute = () => Promise.reject(new QmpError('the connection was closed'));
  await all.run(soon(), () => Promise.resolve());
  expect(made).toHaveLength(3);
});

it('in which anything failed is closed, with what the daemon said', async () => {
  const all = sessions();
  const refused = all.run(soon(), () => Promise.reject(new QmpError('no such node')));
  await expect(refused).rejects.toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
  expect(made[0]?.hasEnded).toBe(true);
});

it('that is old goes, so that other processes have their turn', async () => {
  const all = sessions();
  await all.run(soon(), () => {
    made[0]!.begunAt -= 3_000;
    return Promise.resolve();
  });
  expect(made[0]?.hasEnded).toBe(true);
});

it('begins with the daemon where none runs', async () => {
  isRunning = false;
  const all = sessions();
  await all.run(soon(), () => Promise.resolve());
  expect(prepare).toHaveBeenCalledOnce();
  await all.run(soon(), () => Promise.resolve());
  expect(made).toHaveLength(1);
});
