/** Crash cases as tests of one driver on the loop-device cluster. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { CrashRun, plan } from '../../crash/runner.js';
import type { CrashCase } from '../../crash/scenarios.js';
import { Site } from '../csi/site.js';
import { LoopGround } from './ground.js';

/** @param label short: it stands in every name */
export function describeCrashes(label: string, cases: readonly CrashCase[]): void {
  const planned = plan(label, cases);
  let site: Site;
  let ground: LoopGround;
  let crashes: CrashRun;

  beforeAll(async () => {
    site = await Site.open(label);
    ground = new LoopGround(site, await site.driver('node-one').start());
    crashes = new CrashRun(ground, planned);
  });
  afterAll(async () => {
    await ground.restart();
    await site.close();
  });

  describe('a driver killed at', () => {
    for (const one of planned) it(one.title, () => crashes.run(one));
  });
}
