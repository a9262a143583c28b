/** Work of a child: no deadline ends it, it tells how far it is, and what comes after it has its time as before. */
import { describe, expect, it } from 'vitest';
import { describeChild, runningChildren } from '../../../../src/host/process/children.js';
import { run } from '../../../../src/host/process/exec.js';
import { Deadline } from '../../../../src/model/deadline.js';

const sleeps = (seconds: number, then = 'true') => ['-c', `sleep ${seconds}; ${then}`];

describe('a child at work', () => {
  it('outlives its deadline, answers with output and exit code, and the deadline has its time left', async () => {
    const deadline = Deadline.after(300);
    const args = sleeps(1, 'echo out; echo err >&2; exit 3');
    const result = await run('sh', args, { deadline, work: {}, okCodes: [3] });
    expect(result).toEqual({ stdout: 'out', stderr: 'err', exitCode: 3 });
    expect(deadline.expired).toBe(false);
    await expect(run('sleep', ['30'], { deadline })).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });

  it('that ends by a signal is a failure, and does not begin where no time is left', async () => {
    const killed = run('sh', ['-c', 'kill -9 $$'], { deadline: Deadline.after(60_000), work: {} });
    await expect(killed).rejects.toThrow(/\(SIGKILL\)/);
    await expect(run('true', [], { deadline: Deadline.after(0), work: {} })).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
    });
  });

  it('may say much: beginning and end are kept, and it is not ended for it', async () => {
    const args = ['-c', 'echo first; seq 1 1000000; echo last'];
    const { stdout } = await run('sh', args, { deadline: Deadline.after(60_000), work: {} });
    expect(stdout).toMatch(/^first\n1\n/);
    expect(stdout).toMatch(/\n1000000\nlast$/);
    expect(stdout.length).toBeLessThan(1_000_000);
  });

  it('tells on descriptor 3 how far it is, which stands with it in every sentence', async () => {
    const args = ['-c', 'echo 1 of 9 >&3; echo nothing >&3; exec sleep 60'];
    const progress = (line: string) => (/\d/.test(line) ? `file ${line}` : undefined);
    const working = run('sh', args, { deadline: Deadline.after(60_000), work: { progress } });
    const child = () => runningChildren().find((one) => one.progress !== undefined);
    await expect.poll(() => child()?.progress).toBe('file 1 of 9');
    const { pid = 0 } = child() ?? {};
    expect(runningChildren().map(describeChild).join('\n')).toMatch(
      /^sh -c \(pid \d+, \d+ ms, state \w, file 1 of 9\)$/m,
    );
    process.kill(pid, 'SIGKILL');
    await expect(working).rejects.toThrow(/SIGKILL/);
  });

  it('with input reads it', async () => {
    const { stdout } = await run('cat', [], { deadline: Deadline.after(60_000), work: {}, input: 'given' });
    expect(stdout).toBe('given');
  });
});
