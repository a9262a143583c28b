/** Crash cases as tests of one driver on the loop-device cluster. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { CrashRun, plan } from '../../crash/runner.js';
import type { CrashCase } from '../../crash/planned-cases.js';
import { sampled } from '../../crash/sampled.js';
import { Site } from '../csi/site.js';
import { LoopNode } from './loop-node.js';

/** @param label short: it stands in every name */
export function describeCrashes(label: string, cases: readonly CrashCase[]): void {
  const planned = plan(label, sampled(cases));
  let site: Site;
  let node: LoopNode;
  let crashes: CrashRun;

  beforeAll(async () => {
    site = await Site.open(label);
    node = new LoopNode(site, await site.driver('node-one').start());
    crashes = new CrashRun(node, planned);
  });
  afterAll(async () => {
    await node.restart();
    await site.close();
  });

  describe('a driver killed at', () => {
    for (const one of planned) it(one.title, () => crashes.run(one));
  });
}
