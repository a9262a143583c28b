/** Crash cases as tests of one driver on the real kernel. */
import { after, before, describe, it } from 'node:test';
import { CrashRun, plan } from '../../crash/runner.js';
import type { CrashCase } from '../../crash/planned-cases.js';
import { VmNode } from './crash.js';
import { forget } from './driver.js';
import { nothingIsLeft } from './expect.js';

/** @param label short: it stands in every name */
export const describeCrashes = (label: string, mounter: 'krbd' | 'nbd', cases: readonly CrashCase[]): void =>
  void describe(`a driver with volumes on ${mounter} that is killed at`, () => {
    const planned = plan(label, cases);
    let crashNode: VmNode;
    let crashes: CrashRun;

    before(async () => {
      crashNode = await VmNode.start(`${label}-node`, mounter);
      crashes = new CrashRun(crashNode, planned);
    });
    after(async () => {
      await crashNode.restart();
      try {
        await nothingIsLeft();
        await crashNode.remove();
      } catch (error) {
        process.stdout.write(await crashNode.node.log());
        throw error;
      } finally {
        await crashNode.node.stop();
      }
      await forget(crashNode.node);
    });

    for (const one of planned) it(one.title, () => crashes.run(one));
  });
