/** A stop waits for operations at work: to their end, as long as they move, and no longer than its grace. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../../src/host/process/exec.js';
import { allowNewWork } from '../../../../src/host/process/work-at-stop.js';
import { Deadline } from '../../../../src/model/deadline.js';
import type { Logger } from '../../../../src/observe/log.js';
import { awaitWork } from '../../../../src/volume/operation/await-work.js';
import { Operations } from '../../../../src/volume/operation/operations.js';

/** Nothing here takes so long, in ms. */
const LONG_MS = 3_600_000;
const stage = { op: 'stage', fingerprint: '/a' };

afterEach(allowNewWork);

/** An operation with a child at work, and what is said of the stop. */
function working(script: string) {
  const operations = new Operations();
  const said: string[] = [];
  const write = (what: object, message: string): void => void said.push(`${message}: ${JSON.stringify(what)}`);
  const ended = operations.run('v', stage, Deadline.after(60_000), async ({ step }, deadline) => {
    step('resize unmounted');
    await run('sh', ['-c', script], { deadline, work: {} });
    step('record grown');
    return (await run('echo', ['recorded'], { deadline })).stdout;
  });
  const log = { info: write, warn: write } as unknown as Pick<Logger, 'info' | 'warn'>;
  return { operations, said, ended, parts: { operations, log } };
}

it('awaitWork: the operation comes to its own end, what follows its work included', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-work-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const end = path.join(directory, 'end');
  const { ended, said, parts, operations } = working(`while [ ! -e ${end} ]; do sleep 0.1; done`);
  const waited = awaitWork(parts, LONG_MS, LONG_MS);
  await expect.poll(() => said.join()).toMatch(/the stop waits for work: .*stage of v at step resize unmounted, sh -c/);
  await writeFile(end, '');
  await waited;
  expect(operations.size).toBe(0);
  expect(await ended).toBe('recorded');
  expect(said).toHaveLength(1);
});

it('awaitWork, grace over: the work is cut, its operation ends by that', async () => {
  const { ended, said, parts } = working('while :; do sleep 0.1; done');
  const cut = expect(ended).rejects.toMatchObject({ code: 'BERTH_SHUTTING_DOWN' });
  await expect.poll(() => parts.operations.working().flatMap(({ children }) => children)).toHaveLength(1);
  await awaitWork(parts, 10, LONG_MS);
  await cut;
  expect(said.join()).toMatch(/work is cut: .* 10 ms/);
});

it('awaitWork, a child that does not move: it is cut long before the grace is over', async () => {
  const { ended, said, parts } = working('exec sleep 3600');
  const cut = expect(ended).rejects.toMatchObject({ code: 'BERTH_SHUTTING_DOWN' });
  await expect.poll(() => parts.operations.working().flatMap(({ children }) => children)).toHaveLength(1);
  await awaitWork(parts, LONG_MS, 10);
  await cut;
  expect(said.join()).toMatch(/work is cut: .*not moved/);
});

it('awaitWork: an operation that has begun no work is not waited for', async () => {
  const operations = new Operations();
  let end: () => void = () => undefined;
  const ended = operations.run(
    'v',
    stage,
    Deadline.after(60_000),
    () => new Promise<void>((resolve) => (end = resolve)),
  );
  const log = { info: expect.unreachable, warn: expect.unreachable } as unknown as Pick<Logger, 'info' | 'warn'>;
  await awaitWork({ operations, log }, LONG_MS);
  end();
  await ended;
});
