/** A driver that stops while a device does not answer ends all the same. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';

const MODULE = path.resolve('dist/src/wiring/end-what-is-left.js');
const IMPORTS = `import fs from 'node:fs'; import { endAtTheLatest, endWhatIsLeft } from ${JSON.stringify(MODULE)}`;
const script = (before: string): readonly string[] => [
  ...['--input-type=module', '--eval'],
  `${IMPORTS}; ${before}; endWhatIsLeft(200);`,
];

it('a process that nothing keeps ends by itself, with its own exit code', async () => {
  const { exitCode } = await run(process.execPath, script('process.exitCode = 0'), {
    deadline: Deadline.after(60_000),
  });
  expect(exitCode).toBe(0);
});

it('one whose read never ends is ended', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-end-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const pipe = path.join(directory, 'pipe');
  // Opening a pipe without a writer waits in the kernel, as reading a device without its cluster does.
  execFileSync('mkfifo', [pipe]);
  const ended = run(process.execPath, script(`fs.open(${JSON.stringify(pipe)}, () => undefined)`), {
    deadline: Deadline.after(60_000),
  });
  await expect(ended).rejects.toMatchObject({ code: 'BERTH_COMMAND_FAILED', message: /SIGKILL/ });
});

it('one whose end waits for what never comes is ended as well, and says what kept it', async () => {
  const tell = '(left) => fs.writeSync(2, left.join())';
  const waits = `endAtTheLatest(200, ${tell}); setInterval(() => undefined, 1000); await new Promise(() => undefined)`;
  const ended = run(process.execPath, script(waits), { deadline: Deadline.after(60_000) });
  await expect(ended).rejects.toMatchObject({ code: 'BERTH_COMMAND_FAILED', message: /SIGKILL.*Timeout/ });
});
