/** A child that the kernel does not let die: run() does not wait for it. */
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runningChildren } from '../../../src/host/process/children.js';
import { run } from '../../../src/host/process/exec.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { Deadline } from '../../../src/model/deadline.js';
import { MIB, scratchDevice, soon } from './scratch.js';

it('run, child hangs in the kernel and cannot be killed: answers a second after the deadline', async () => {
  const { device, target } = await scratchDevice(32 * MIB);
  const uuid = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c01';
  await makeFilesystem(run, { device, type: 'ext4', uuid, options: [] }, soon());
  await mountFilesystem(run, { device, target, fsType: 'ext4', options: [] }, soon());
  await run('fsfreeze', ['--freeze', target], { deadline: soon() });
  const thaw = () => run('fsfreeze', ['--unfreeze', target], { deadline: soon(), okCodes: [0, 1] });
  onTestFinished(async () => {
    await thaw();
  });

  const began = performance.now();
  const stuck = run('touch', [path.join(target, 'file')], { deadline: Deadline.after(300) });
  await expect(stuck).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  expect(performance.now() - began).toBeLessThan(50_000);
  // It is still there, in D state with a SIGKILL pending, and named for whoever looks.
  expect(runningChildren()).toHaveLength(1);
  expect(runningChildren()[0]?.command).toContain('touch');

  await thaw();
  await expect.poll(() => runningChildren().length).toBe(0);
});
