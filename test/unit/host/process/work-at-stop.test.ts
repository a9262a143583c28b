/** Work at a stop: none begins but what ends what was begun, and what is cut says that it was the stop. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runningChildren } from '../../../../src/host/process/children.js';
import { run } from '../../../../src/host/process/exec.js';
import { allowNewWork, cutWork, refuseNewWork } from '../../../../src/host/process/work-at-stop.js';
import { Deadline } from '../../../../src/model/deadline.js';

const deadline = Deadline.after(60_000);
const sleeper = ['-c', 'echo begun >&3; sleep 60'];
const work = { progress: (line: string) => line };
const begun = () => runningChildren().find(({ progress }) => progress === 'begun');

describe('a process that is to stop', () => {
  beforeEach(refuseNewWork);
  afterEach(allowNewWork);

  it('begins no work, and says so', async () => {
    await expect(run('true', [], { deadline, work: {} })).rejects.toMatchObject({ code: 'BERTH_SHUTTING_DOWN' });
  });

  it('begins what ends something that was begun before, and what is no work', async () => {
    await run('true', [], { deadline, work: { endsWhatIsBegun: true } });
    await run('true', [], { deadline });
  });
});

describe('cutWork', () => {
  it('ends work with all that it started, which says that it was the stop', async () => {
    const working = expect(run('sh', sleeper, { deadline, work })).rejects.toMatchObject({
      code: 'BERTH_SHUTTING_DOWN',
    });
    await expect.poll(begun).toBeDefined();
    cutWork();
    await working;
    expect(begun()).toBeUndefined();
  });

  it('leaves alone what is no work, and takes the answer of work that had ended well', async () => {
    const other = run('sh', ['-c', 'sleep 1; echo lives'], { deadline });
    const trap = ['-c', 'trap "exit 0" TERM; echo begun >&3; while :; do sleep 0.1; done'];
    const well = run('sh', trap, { deadline, work });
    await expect.poll(begun).toBeDefined();
    cutWork();
    expect((await well).exitCode).toBe(0);
    expect((await other).stdout).toBe('lives');
  });
});
