/** `rbd map` killed at random moments: whatever it left, the next attempt finds it, and there is never a second mapping. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runningChildren } from '../../src/host/children.js';
import { run, type Exec } from '../../src/host/exec.js';
import { isBerthError } from '../../src/model/errors.js';
import { KrbdMapper } from '../../src/rbd/mapping/krbd.js';
import { readKrbdDevices } from '../../src/rbd/mapping/krbd-sysfs.js';
import { KERNEL_ROOTS } from '../../src/rbd/mapping/roots.js';
import { soon } from './inside/disk.js';
import { nothingIsLeft } from './inside/expect.js';
import { newImage, removeImages } from './inside/images.js';
import { session } from './inside/session.js';

const KEYS = '/run/berth-vm-keys';

/** How long the last map took that was let alone, ms; kills come within it. */
let mapMs = 0;

async function kill(afterMs: number): Promise<void> {
  await sleep(afterMs);
  for (const { pid, command } of runningChildren()) {
    if (!command.startsWith('rbd')) continue;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Ended by itself in this moment.
    }
  }
}

let killing = false;
const exec: Exec = async (file, args, options) => {
  const started = performance.now();
  const isMap = file === 'rbd' && args.includes('map');
  const doom = isMap && killing ? kill(Math.random() * mapMs * 1.1) : undefined;
  try {
    const result = await run(file, args, options);
    if (isMap && !killing) mapMs = performance.now() - started;
    return result;
  } finally {
    await doom;
  }
};
const mapper = new KrbdMapper({ exec, runtimeDir: KEYS });

const mappings = async (): Promise<number> =>
  (await readKrbdDevices(KERNEL_ROOTS.sys)).filter(({ location }) => location.fsid === session.fsid).length;

describe('an rbd map that is killed', () => {
  after(async () => {
    await nothingIsLeft();
    await removeImages();
    rmSync(KEYS, { recursive: true, force: true });
  });

  it(`leaves nothing that the next attempt does not take over, ${session.rounds} times`, async () => {
    const request = await newImage();
    await mapper.unmap(await mapper.map(request, soon()), soon());
    const counted = { failed: 0, adopted: 0, stray: 0 };
    for (let round = 1; round <= session.rounds; round += 1) {
      killing = true;
      try {
        await mapper.map(request, soon());
        counted.adopted += 1;
      } catch (error) {
        if (!isBerthError(error, 'COMMAND_FAILED')) throw error;
        counted.failed += 1;
        if ((await mappings()) > 0) counted.stray += 1;
      }
      killing = false;
      const mapping = await mapper.map(request, soon());
      assert.equal(await mappings(), 1, `round ${round}`);
      await mapper.unmap(mapping, soon());
      assert.equal(await mappings(), 0, `round ${round}`);
    }
    process.stdout.write(`${JSON.stringify(counted)}\n`);
    // Else nothing was killed, or everything before the kernel was asked.
    assert.ok(counted.failed > 0, JSON.stringify(counted));
  });
});
