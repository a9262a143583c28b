/** A child that computes, or that ends children of its own, moves; one that waits does not. */
import { spawn } from 'node:child_process';
import { expect, it, onTestFinished } from 'vitest';
import { movementOf } from '../../../../src/host/process/movement.js';

function group(script: string): number {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
  const { pid } = child;
  if (pid === undefined) throw new Error('not started');
  onTestFinished(() => {
    process.kill(-pid, 'SIGKILL');
  });
  return pid;
}

it.each(['while :; do :; done', 'sh -c "while :; do :; done"; :', 'while :; do sleep 0.1; done'])(
  '%s moves',
  async (script) => {
    const pid = group(script);
    const before = movementOf(pid);
    await expect.poll(() => movementOf(pid)).not.toBe(before);
    expect(movementOf(pid)).not.toBe('');
  },
);

it('what only waits stands still, and what has ended is nothing', async () => {
  const pid = group('exec sleep 600');
  // Until it has become what it is to be, it moves.
  let before = '';
  await expect
    .poll(() => {
      const last = before;
      before = movementOf(pid);
      return before !== '' && before === last;
    })
    .toBe(true);
  expect(movementOf(pid)).toBe(before);
  expect(movementOf(0x7fff_fff0)).toBe('');
});
