/** Crash cases as tests of one driver on the real kernel. */
import { after, before, describe, it } from 'node:test';
import { CrashRun, plan } from '../../crash/runner.js';
import type { CrashCase } from '../../crash/scenarios.js';
import { VmGround } from './crash.js';
import { forget } from './driver.js';
import { nothingIsLeft } from './expect.js';

/** @param label short: it stands in every name */
export const describeCrashes = (label: string, mounter: 'krbd' | 'nbd', cases: readonly CrashCase[]): void =>
  void describe(`a driver with volumes on ${mounter} that is killed at`, () => {
    const planned = plan(label, cases);
    let ground: VmGround;
    let crashes: CrashRun;

    before(async () => {
      ground = await VmGround.start(`${label}-node`, mounter);
      crashes = new CrashRun(ground, planned);
    });
    after(async () => {
      await ground.restart();
      try {
        await nothingIsLeft();
        await ground.remove();
      } catch (error) {
        process.stdout.write(await ground.node.log());
        throw error;
      } finally {
        await ground.node.stop();
      }
      await forget(ground.node);
    });

    for (const one of planned) it(one.title, () => crashes.run(one));
  });
