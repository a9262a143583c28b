import { access, mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';

const RUNNER = fileURLToPath(new URL('../../../dist/test/vm/run.js', import.meta.url));

const hasRbd = await access('/sys/bus/rbd').then(
  () => true,
  () => false,
);

describe('npm run test:vm -- --native', () => {
  // Where the kernel has it, this would be the tests themselves.
  it.skipIf(hasRbd)('refuses a kernel without rbd, says what is missing, and makes nothing', async () => {
    const TMPDIR = await mkdtemp(path.join(os.tmpdir(), 'berth-native-'));
    onTestFinished(() => rm(TMPDIR, { recursive: true }));
    const options = { deadline: Deadline.after(60_000), env: { TMPDIR } };
    const refusal = run(process.execPath, [RUNNER, '--native', 'guest-ready'], options);
    await expect(refusal).rejects.toThrow(/exit code 1.*not fit for --native: the kernel has no rbd/s);
    expect(await readdir(TMPDIR)).toEqual([]);
  });
});
