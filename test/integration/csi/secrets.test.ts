/**
 * The keys that requests carry appear nowhere that anybody could read: not in logs, arguments, journals, errors or the
 * image.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { refusal } from './calls.js';
import { block, ext4, RWO, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { filesNaming, Site } from './site.js';

let site: Site;
let driver: Driver;
let keys: readonly string[];
/** A right looking key of nobody. */
let stray: string;

beforeAll(async () => {
  site = await Site.open('secret');
  driver = await site.driver('node-one').start();
  stray = (await run('ceph-authtool', ['--gen-print-key'], { deadline: Deadline.after(10_000) })).stdout.trim();
  keys = [site.secrets('controller')['userKey']!, site.secrets('node')['userKey']!, stray];
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const holdsKey = (text: string): boolean => keys.some((key) => text.includes(key));

/**
 * Everything that every process of this machine shows of its arguments and environment, again and again until told to
 * stop.
 */
function watchProcesses(): () => Promise<{
  readonly looks: number;
  readonly programs: ReadonlySet<string>;
  readonly leaks: readonly string[];
}> {
  const until = new AbortController();
  const work = (async () => {
    const leaks = new Set<string>();
    const programs = new Set<string>();
    let looks = 0;
    while (!until.signal.aborted) {
      const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
      await Promise.all(
        pids.map(async (pid) => {
          const show = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '');
          const [argv, environment] = await Promise.all([show('cmdline'), show('environ')]);
          programs.add(path.basename(argv.split('\0')[0] ?? ''));
          if (holdsKey(argv) || holdsKey(environment)) leaks.add(argv.replaceAll('\0', ' ').slice(0, 80));
        }),
      );
      looks += 1;
      await sleep(3);
    }
    return { looks, programs, leaks: [...leaks] };
  })();
  return () => {
    until.abort();
    return work;
  };
}

describe('secrets of any RPC, a key', () => {
  it('is in no argument or environment of any process while volumes come and go', async () => {
    const stop = watchProcesses();
    const files = await site.create(driver, xfs(), { sizeBytes: XFS_BYTES });
    await files.bring(driver);
    const raw = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await raw.bring(driver);
    await files.expand(2 * XFS_BYTES);
    await files.expandOn(driver, 2 * XFS_BYTES, await driver.stagingPath(files.id));
    await files.leave(driver);
    await raw.leave(driver);
    const { looks, programs, leaks } = await stop();
    expect(looks).toBeGreaterThan(10);
    expect(
      [...programs].some((one) => one.startsWith('mkfs')),
      'the watch was quick enough to see children',
    ).toBe(true);
    expect(leaks).toEqual([]);
  });

  it('is in no error text, whatever goes wrong', async () => {
    const { userID } = site.secrets() as { userID: string };
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const known = {
      volumeId: volume.id,
      volumeCapability: ext4(),
      stagingTargetPath: await driver.stagingPath(volume.id),
    };
    const { controller, node } = driver;
    const wrong = [
      { userID, userKey: stray },
      { userID: stray, userKey: stray },
      { userKey: stray },
      { userID, userKey: `${stray}\n${stray}` },
    ];
    for (const secrets of wrong as Record<string, string>[]) {
      const calls = [
        () => controller.CreateVolume({ ...site.request(block()), secrets }),
        () => controller.DeleteVolume({ ...known, secrets }),
        () => controller.ControllerPublishVolume({ ...known, nodeId: driver.nodeId, secrets }),
        () =>
          controller.ControllerExpandVolume({ ...known, capacityRange: { requiredBytes: String(XFS_BYTES) }, secrets }),
        () => controller.ValidateVolumeCapabilities({ ...known, volumeCapabilities: [ext4()], secrets }),
        () => node.NodeStageVolume({ ...known, secrets }),
      ];
      for (const call of calls) expect((await refusal(call())).text).not.toContain(stray);
    }
  });

  it('sent in a wrong place is not repeated to the world', async () => {
    const secrets = { ...site.secrets(), another: stray };
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await driver.controller.ControllerPublishVolume({
      ...{ volumeId: volume.id, nodeId: driver.nodeId, volumeCapability: block(), secrets },
    });
    await volume.stage(driver, { secrets });
    await volume.publish(driver, 'pod', { secrets });
  });

  it('is not in the log, at its loudest, the journal, the image, or any file but its own', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.bring(driver);
    const log = await driver.log();
    expect(log).toContain(volume.id);
    expect(log.split('\n').length).toBeGreaterThan(20);
    expect(holdsKey(log)).toBe(false);
    expect(await filesNaming(driver.stateDir, [volume.id])).not.toEqual([]);
    expect(await filesNaming(driver.stateDir, keys)).toEqual([]);
    expect(await filesNaming('/run/berth', keys)).toEqual([]);
    expect(holdsKey(JSON.stringify(await site.metadata(volume.image)))).toBe(false);
    expect(holdsKey(await readFile('/proc/self/mountinfo', 'utf8'))).toBe(false);
    const { volume: seen } = await driver.controller.ControllerGetVolume({ volumeId: volume.id });
    expect(seen!.volumeContext).toEqual({});
  });
});

describe('mount flags of any RPC', () => {
  it('are in no log and no error text, for some carry passwords', async () => {
    const marker = `hunter2-${site.namespace}`;
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    for (const flag of [`password=${marker}`, `x-secret=${marker}`, `no-such-option=${marker}`]) {
      const { text } = await refusal(volume.stage(driver, { volumeCapability: ext4(RWO, [flag]) }));
      expect(text).not.toContain(marker);
    }
    expect(await driver.log()).not.toContain(marker);
    expect(await filesNaming(driver.stateDir, [marker])).toEqual([]);
  });
});
