/** Programs of an unpacked root run where its /usr is theirs, and without a root as ever. */
import { expect, it } from 'vitest';
import { argumentsInRoot, inRoot } from '../../../../src/dev/root/in-root.js';
import { run } from '../../../../src/host/process/exec.js';
import { Deadline } from '../../../../src/model/deadline.js';

it('without a root: a program is run as it is', async () => {
  expect((await inRoot(run, undefined)('echo', ['as ever'], { deadline: Deadline.after(20_000) })).stdout).toBe(
    'as ever',
  );
});

it('in a root: mounts stay there, unmounts of the host come in, the program gets its arguments as they are', () => {
  const [program, args] = argumentsInRoot('/roots/one', 'ceph', ['a b', '$HOME', '']);
  expect([program, ...args.slice(0, 3)]).toEqual(['unshare', '--mount', '--propagation', 'slave']);
  expect(args.slice(-4)).toEqual(['ceph', 'a b', '$HOME', '']);
  expect(args).toContain('/roots/one');
});
