/** Work within an operation: it outlasts every caller and the operation's own time, and they are told how far it is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runningChildren } from '../../../../src/host/process/children.js';
import { run } from '../../../../src/host/process/exec.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { Operations, type Operation } from '../../../../src/volume/operation/operations.js';

const stage = { op: 'stage', fingerprint: '/a' };

it('work, callers and operation out of time: they are told how far it is, a retry joins, it goes on', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-work-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const end = path.join(directory, 'end');
  const operations = new Operations({ budgetMs: 100 });
  let begun = 0;
  const body = async (operation: Operation, deadline: Deadline): Promise<string> => {
    begun += 1;
    operation.step('repair');
    const args = ['-c', `echo 34 >&3; while [ ! -e ${end} ]; do sleep 0.1; done`];
    await run('sh', args, { deadline, work: { progress: (line) => `${line} %` } });
    operation.step('mount');
    return (await run('echo', ['mounted'], { deadline })).stdout;
  };
  const hurried = operations.run('v', stage, Deadline.after(300), body);
  await expect(hurried).rejects.toThrow(/BERTH_DEADLINE: stage of v \(step repair, .* waiting for sh -c \(pid/);
  await expect.poll(() => runningChildren().map((child) => child.progress)).toContain('34 %');
  const joins = operations.run('v', stage, Deadline.after(100), body);
  await expect(joins).rejects.toThrow(/BERTH_DEADLINE: stage of v \(step repair, .* waiting for sh -c \(.*, 34 %\)/);
  const other = operations.run('v', { op: 'unstage', fingerprint: '' }, Deadline.after(100), () => Promise.resolve());
  await expect(other).rejects.toThrow(/stage is running since \d+ ms at step repair, waiting for sh -c \(.*, 34 %\)/);
  const patient = operations.run('v', stage, Deadline.after(60_000), body);
  await writeFile(end, '');
  expect(await patient).toBe('mounted');
  expect(begun).toBe(1);
});
