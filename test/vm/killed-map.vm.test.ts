/**
 * `rbd map` killed at random moments: whatever it left, the next attempt finds it, and there is never a second mapping.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pollUntil } from '../../src/model/time-limit.js';
import { runningChildren } from '../../src/host/process/children.js';
import { run, type Exec } from '../../src/host/process/exec.js';
import { isBerthError } from '../../src/model/errors.js';
import { KrbdMapper } from '../../src/rbd/mapping/krbd/krbd-mapper.js';
import { readKrbdDevices, type KrbdDevice } from '../../src/rbd/mapping/krbd/krbd-sysfs.js';
import type { MapRequest, Mapping } from '../../src/rbd/mapping/mapper.js';
import { KERNEL_ROOTS } from '../../src/rbd/mapping/roots.js';
import { soon } from './inside/disk.js';
import { nothingIsLeft } from './inside/expect.js';
import { newImage, removeImages } from './inside/images.js';
import { session } from './inside/session.js';

const KEYS = '/run/berth-vm-keys';

/** So that the runner hears of it every minute. */
const BATCH = 10;

/** How long a map takes that is let alone, ms: the kills come within it. */
let mapMs = 0;
/** Is the next map to be killed? */
let doomed = false;
let kills = 0;

async function kill(afterMs: number): Promise<void> {
  await sleep(afterMs);
  for (const { pid } of runningChildren().filter(({ command }) => command.startsWith('rbd '))) {
    try {
      process.kill(-pid, 'SIGKILL');
      kills += 1;
    } catch {
      // It ended by itself in this moment.
    }
  }
}

const exec: Exec = async (file, args, options) => {
  const started = performance.now();
  const isMap = file === 'rbd' && args.includes('map');
  const doom = isMap && doomed ? kill(Math.random() * mapMs) : undefined;
  try {
    const result = await run(file, args, options);
    if (isMap && !doomed) mapMs = performance.now() - started;
    return result;
  } finally {
    await doom;
  }
};
const mapper = new KrbdMapper({ exec, runtimeDir: KEYS });

const devices = (): readonly KrbdDevice[] =>
  readKrbdDevices(KERNEL_ROOTS.sys).filter(({ location }) => location.fsid === session.fsid);

/** Undone by a word to the kernel: what is tried here is the map, and `rbd unmap` takes a second. */
async function remove({ device }: Mapping): Promise<void> {
  const gone = async (): Promise<true | undefined> => {
    // Busy as long as udev looks at the new device.
    await writeFile('/sys/bus/rbd/remove_single_major', device.replace('/dev/rbd', '')).catch(() => undefined);
    return devices().length === 0 ? true : undefined;
  };
  await pollUntil(gone, `the removal of ${device}`, soon());
}

/** One map that is killed on its way; what became of it. */
async function mapKilled(request: MapRequest): Promise<'killed' | 'untouched' | 'mappedNevertheless'> {
  const before = kills;
  doomed = true;
  try {
    await mapper.map(request, soon());
    return kills > before ? 'mappedNevertheless' : 'untouched';
  } catch (error) {
    if (!isBerthError(error, 'BERTH_COMMAND_FAILED')) throw error;
    return 'killed';
  } finally {
    doomed = false;
  }
}

describe('an rbd map that is killed', () => {
  after(async () => {
    await nothingIsLeft();
    await removeImages();
    rmSync(KEYS, { recursive: true, force: true });
  });

  let request: MapRequest;
  const counted = { killed: 0, untouched: 0, mappedNevertheless: 0 };

  before(async () => {
    request = await newImage();
    // The first one loads what the later ones find in memory.
    for (let time = 0; time < 2; time += 1) await remove(await mapper.map(request, soon()));
  });

  for (let first = 1; first <= session.rounds; first += BATCH) {
    const last = Math.min(first + BATCH - 1, session.rounds);
    it(`leaves nothing that the next attempt does not take over (${first} to ${last})`, async () => {
      for (let round = first; round <= last; round += 1) {
        counted[await mapKilled(request)] += 1;
        const mapping = await mapper.map(request, soon());
        assert.equal(devices().length, 1, `round ${round}`);
        await remove(mapping);
      }
    });
  }

  it('was killed before, while and after the kernel mapped', (test) => {
    const { killed, untouched, mappedNevertheless } = counted;
    test.diagnostic(
      `${killed} killed before it was mapped, ${mappedNevertheless} mapped nevertheless, ${untouched} came too late`,
    );
    assert.ok(killed > 0);
  });
});
