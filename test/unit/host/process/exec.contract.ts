/** Children that behave, hang, shout and leave others behind: run() always answers, and in time, however they start. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { childrenStarted, runningChildren } from '../../../../src/host/process/children.js';
import { run } from '../../../../src/host/process/exec.js';
import { Deadline } from '../../../../src/model/deadline.js';

const fixture = (name: string) => path.resolve(import.meta.dirname, '../../../fixtures/bin', name);
const soon = () => Deadline.after(60_000);

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

export function execContract(): void {
  describe('run', () => {
    it('answers with output and exit code', async () => {
      const result = await run('sh', ['-c', 'echo out; echo err >&2'], { deadline: soon() });
      expect(result).toEqual({ stdout: 'out', stderr: 'err', exitCode: 0 });
    });

    it('passes arguments as they are, no shell looks at them', async () => {
      const { stdout } = await run('printf', ['%s', '$(id); `id` *'], { deadline: soon() });
      expect(stdout).toBe('$(id); `id` *');
    });

    it('takes exit codes for answers only where the caller says so', async () => {
      const result = await run('sh', ['-c', 'exit 2'], { deadline: soon(), okCodes: [0, 2] });
      expect(result.exitCode).toBe(2);
      await expect(run('sh', ['-c', 'exit 2'], { deadline: soon() })).rejects.toMatchObject({
        code: 'BERTH_COMMAND_FAILED',
      });
    });

    it('gives input on standard input, and an end of file where there is none', async () => {
      expect((await run('cat', [], { deadline: soon(), input: 'secret' })).stdout).toBe('secret');
      expect((await run('cat', [], { deadline: soon() })).stdout).toBe('');
    });

    it('survives a child that does not read its input', async () => {
      const result = await run('true', [], { deadline: soon(), input: 'x'.repeat(1_000_000) });
      expect(result.exitCode).toBe(0);
    });

    it('names program and first argument only, with one shortened line of standard error', async () => {
      const failure = run(fixture('complains'), ['verb', 'private'], { deadline: soon() });
      const error = await failure.catch((e: unknown) => e as Error);
      expect(error).toMatchObject({ code: 'BERTH_COMMAND_FAILED', status: 'INTERNAL' });
      const { message } = error as Error;
      expect(message).toMatch(/complains verb failed \(exit code 3\): first line second line x+ \.\.\. x+ the end;/);
      expect(message).not.toContain('private');
      expect(message.length).toBeLessThan(10_000);
      expect((error as Error).cause).toBeUndefined();
    });

    it('names the signal that ended a child', async () => {
      await expect(run(fixture('kills-itself'), [], { deadline: soon() })).rejects.toThrow(/\(SIGKILL\): no message/);
    });

    it('says which program is missing', async () => {
      await expect(run('berth-no-such-program', ['x'], { deadline: soon() })).rejects.toMatchObject({
        code: 'BERTH_COMMAND_MISSING',
        message: expect.stringContaining('berth-no-such-program is not installed') as string,
      });
    });

    it('says that of a path, and of a missing interpreter, even where every exit code is an answer', async () => {
      const okCodes = Array.from({ length: 256 }, (_, code) => code);
      for (const file of ['/no/such/program', fixture('lacks-interpreter')]) {
        const failure = run(file, ['x'], { deadline: soon(), okCodes });
        await expect(failure).rejects.toMatchObject({ code: 'BERTH_COMMAND_MISSING' });
      }
    });

    it('says of a file that is no program that it cannot be started', async () => {
      await expect(run('/etc/passwd', [], { deadline: soon() })).rejects.toThrow(/passwd failed \(EACCES\)/);
    });

    it('takes 126 and 127 for a tool’s own exit codes where the tool itself ends with them', async () => {
      for (const exitCode of [126, 127]) {
        const script = `echo said >&2; exit ${exitCode}`;
        const result = await run('sh', ['-c', script], { deadline: soon(), okCodes: [exitCode] });
        expect(result).toEqual({ stdout: '', stderr: 'said', exitCode });
      }
    });

    it('ends a child whose output has no end', async () => {
      await expect(run('yes', [], { deadline: soon() })).rejects.toThrow(/output over \d+ characters/);
    });
  });

  describe("a child's environment", () => {
    afterEach(() => {
      delete process.env['BERTH_TEST_SECRET'];
    });

    it('is the C locale, a path with the system programs, and what the caller adds', async () => {
      process.env['BERTH_TEST_SECRET'] = 'must stay here';
      const { stdout } = await run('env', [], { deadline: soon(), env: { CEPH_ARGS: '--x', LC_ALL: 'de_DE' } });
      expect(stdout).toMatch(/^LC_ALL=C$/m);
      expect(stdout).toContain('CEPH_ARGS=--x');
      expect(stdout).toMatch(/^PATH=.*:\/usr\/sbin:\/sbin$/m);
      expect(stdout).not.toContain('must stay here');
    });

    it('has the root directory as its place, so that no mount is kept busy', async () => {
      expect((await run('pwd', [], { deadline: soon() })).stdout).toBe('/');
    });
  });

  describe('the deadline', () => {
    it('ends a child that listens to SIGTERM at once', async () => {
      const began = performance.now();
      await expect(run('sleep', ['30'], { deadline: Deadline.after(150) })).rejects.toMatchObject({
        code: 'BERTH_DEADLINE',
        message: expect.stringContaining('sleep 30 did not end in 150 ms') as string,
      });
      expect(performance.now() - began).toBeLessThan(25_000);
    });

    it('ends a child that ignores SIGTERM within a second, and what it started', async () => {
      const began = performance.now();
      const failure = run(fixture('ignores-term'), [], { deadline: Deadline.after(300) });
      const child = await started('ignores-term');
      await expect(failure).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
      expect(performance.now() - began).toBeLessThan(25_000);
      await expect.poll(() => isAlive(child)).toBe(false);
    });

    it('starts nothing when it is over already', async () => {
      const before = childrenStarted();
      await expect(run('true', [], { deadline: Deadline.after(0) })).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
      expect(childrenStarted()).toBe(before);
    });
  });

  describe('a child that leaves a daemon with its pipes', () => {
    it('is answered for when it ends, not when the daemon does', async () => {
      const began = performance.now();
      const { stdout, stderr } = await run(fixture('leaves-daemon'), [], { deadline: soon() });
      onTestFinished(() => void process.kill(Number(stderr)));
      expect(stdout).toBe('done');
      expect(performance.now() - began).toBeLessThan(25_000);
      expect(isAlive(Number(stderr))).toBe(true);
    });
  });

  describe('the register of children', () => {
    it('counts every start and lists those that run', async () => {
      const before = childrenStarted();
      const running = run('sleep', ['0.3'], { deadline: soon() });
      expect(runningChildren().map(({ command }) => command)).toContain('sleep 0.3');
      await running;
      expect(childrenStarted()).toBe(before + 1);
      expect(runningChildren().map(({ command }) => command)).not.toContain('sleep 0.3');
    });
  });
}

/** The pid of the running child with that name. */
async function started(name: string): Promise<number> {
  for (;;) {
    const child = runningChildren().find(({ command }) => command === name);
    if (child !== undefined) return child.pid;
    await sleep(5);
  }
}
