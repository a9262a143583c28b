/**
 * The checks that need a real kernel to be true: a network namespace of one's own, a full filesystem, the kernel's
 * clock.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { checkNetwork, checkProcesses } from '../../../src/diagnosis/machine/namespaces.js';
import { checkStateDirectory } from '../../../src/diagnosis/machine/state-directory.js';
import { LET_GO_OF_OTHERS, scratchDirectory, soon } from './scratch.js';

/** The built check, run by a process of its own in other namespaces. */
async function elsewhere(flags: readonly string[], check: 'checkNetwork' | 'checkProcesses'): Promise<unknown> {
  const module = pathToFileURL(path.resolve('dist/src/diagnosis/machine/namespaces.js')).href;
  const script = `import { ${check} } from '${module}'; console.log(JSON.stringify(await ${check}('/proc')));`;
  const node = [process.execPath, '--input-type=module', '--eval', script];
  // Only where the mounts are its own.
  const first = flags.includes('--mount-proc') ? ['sh', '-c', `${LET_GO_OF_OTHERS}; exec "$@"`, 'sh'] : [];
  const args = [...flags, ...first, ...node];
  return JSON.parse((await run('unshare', args, { deadline: soon() })).stdout);
}

describe('namespaces', () => {
  it('of the network are told apart without a look at pid 1', async () => {
    expect(await checkNetwork('/proc')).toMatchObject({ level: 'ok' });
    expect(await elsewhere(['--net'], 'checkNetwork')).toMatchObject({ level: 'warning' });
    expect(await elsewhere(['--net', '--pid', '--fork', '--mount-proc'], 'checkNetwork')).toMatchObject({
      level: 'warning',
    });
    expect(await elsewhere(['--pid', '--fork', '--mount-proc'], 'checkNetwork')).toMatchObject({ level: 'ok' });
  });

  it('of processes are told apart', async () => {
    expect(await checkProcesses('/proc')).toMatchObject({ level: 'ok' });
    expect(await elsewhere(['--pid', '--fork', '--mount-proc'], 'checkProcesses')).toMatchObject({ level: 'warning' });
  });
});

describe('a state directory', () => {
  it('is low, full and read-only when its filesystem is', async () => {
    const small = path.join(await scratchDirectory(), 'small');
    await mkdir(small);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small], { deadline: soon() });
    expect(await checkStateDirectory(small, soon())).toMatchObject({ level: 'warning' });
    await writeFile(path.join(small, 'much'), Buffer.alloc(1024 * 1024));
    const full = await checkStateDirectory(small, soon());
    expect(full).toMatchObject({ level: 'failed' });
    expect(full.says).toMatch(/is full/);
    await run('mount', ['-o', 'remount,ro', small], { deadline: soon() });
    const readOnly = await checkStateDirectory(small, soon());
    expect(readOnly).toMatchObject({ level: 'failed' });
    expect(readOnly.says).toMatch(/EROFS/);
    await run('umount', [small], { deadline: soon() });
  });
});

describe('the kernel´s clock', () => {
  it('is reported by the program of its own', async () => {
    const { stdout } = await run(process.execPath, [path.resolve('dist/src/host/clock/kernel-clock.js')], {
      deadline: soon(),
    });
    const { state, status, maxErrorUs } = JSON.parse(stdout) as Record<string, number>;
    expect([0, 1, 2, 3, 4, 5]).toContain(state);
    // The kernel's answer and the flag in the structure say the same, so that the flag was read at its place.
    expect(state === 5).toBe((status! & 0x40) !== 0);
    expect(maxErrorUs).toBeGreaterThanOrEqual(0);
    expect(maxErrorUs).toBeLessThanOrEqual(16_000_000);
  });
});
