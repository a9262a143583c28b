/** The wrapper by itself: who may run a program through it, and as whom that runs. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { orphanProof } from '../../../../src/host/process/orphan-proof.js';

const out = (file: string, args: readonly string[]) => spawnSync(file, args, { encoding: 'utf8' }).stdout.trim();

it('runs the program as our own child, with its arguments as they are', () => {
  const [file, args] = orphanProof('sh', ['-c', 'echo "$PPID" "$@"', 'sh', 'a  b', '$(c)', '*']);
  expect(out(file, args)).toBe(`${process.pid} a  b $(c) *`);
});

it('does not run it for anybody else: the parent that asked for it has ended then', () => {
  const [file, args] = orphanProof('echo', ['ran']);
  expect(out(file, args)).toBe('ran');
  // Another process in between is its parent, as init is after a death.
  expect(out('sh', ['-c', '"$@"; true', 'sh', file, ...args])).toBe('');
});
