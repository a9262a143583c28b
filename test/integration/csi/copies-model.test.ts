/**
 * Random lives of volumes, snapshots, groups and copies, with kills of the controller, duplicates and callers that give
 * up, while copies are made to stand alone: each always has the data that it must have, and nothing is left when all is
 * deleted. A failure prints seed and path; BERTH_MODEL_SEED and _PATH run that one again.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { How } from '../node/model.js';
import { CopyCall, newModel, quiesce, type Act } from './copies-model.js';
import { CopySystem } from './copies-system.js';
import { Site } from './site.js';

const { BERTH_COPY_RUNS = '2', BERTH_MODEL_SEED: SEED, BERTH_MODEL_PATH: PATH } = process.env;
const RUNS = Number(BERTH_COPY_RUNS);
/** Every copy is made to stand alone, beside all that happens to it; one on three images before it is answered. */
const LIMITS = { BERTH_CHAIN_LIMITS: '1,2' };
/** Much more than a run takes on a busy machine. */
const RUN_MS = 240_000;

let site: Site;
let system: CopySystem;

beforeAll(async () => {
  site = await Site.open('copies');
  system = new CopySystem(site, await site.driver('one', { services: 'controller', env: LIMITS }).start());
});
afterAll(async () => {
  await system.close();
  await site.close();
});

const cut = (kind: 'hurried' | 'killed', max: number) =>
  fc.record({ kind: fc.constant(kind), ms: fc.nat(max), again: fc.boolean() });
const how: fc.Arbitrary<How> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<How>({ kind: 'plain' }) },
  { weight: 3, arbitrary: fc.constant<How>({ kind: 'twice' }) },
  { weight: 3, arbitrary: cut('hurried', 400) },
  { weight: 2, arbitrary: cut('killed', 400) },
);
const act = (name: Act) => fc.tuple(fc.nat(15), fc.nat(255), how).map((it) => new CopyCall(name, ...it));

const life = fc.commands(
  [
    ...[act('create'), act('write'), act('write'), act('snapshot'), act('restore'), act('clone'), act('group')],
    ...[act('write'), act('expand'), act('delete'), act('undelete'), act('delete snapshot')],
  ],
  { maxCommands: 14, size: 'max' },
);

it(`${RUNS} random lives of volumes and their copies, cut short and killed: all data is as it must be`, {
  timeout: RUNS * RUN_MS,
}, async () => {
  const begun = performance.now();
  const count = { runs: 0, commands: 0 };
  const property = fc.asyncProperty(life, async (commands) => {
    const model = newModel();
    // Without a volume most commands have nothing to work on.
    await new CopyCall('create', 0, 0, { kind: 'plain' }).run(model, system);
    await fc.asyncModelRun(() => ({ model, real: system }), commands);
    await quiesce(model, system);
    count.runs += 1;
    count.commands += [...commands].length;
  });
  const where = {
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    ...(PATH === undefined ? {} : { path: PATH }),
  };
  // The real world has no second chance: what fails is shown as it was, not made smaller.
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true, ...where });
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  process.stdout.write(
    `copies: ${count.runs} runs, ${count.commands} commands, ${system.kills} kills in ${seconds} s\n`,
  );
  expect(count.runs).toBe(RUNS);
});
