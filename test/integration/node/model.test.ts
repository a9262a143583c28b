/**
 * Random lives of volumes on one node, with kills of the plugin, duplicates and callers that give up: `npm run
 * test:model` makes 500 runs of it. A failure prints seed, path and replayPath; BERTH_MODEL_SEED, _PATH and _REPLAY run
 * that one again.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Site } from '../csi/site.js';
import { Crash, newModel, NodeCall, PodWork, quiesce, type How } from './model.js';
import { KINDS, PODS, System, type Call } from './model-system.js';

const RUNS = Number(process.env['BERTH_MODEL_RUNS'] ?? 8);
const { BERTH_MODEL_SEED: SEED, BERTH_MODEL_PATH: PATH, BERTH_MODEL_REPLAY: REPLAY } = process.env;
/** Much more than a run takes on a busy machine. */
const RUN_MS = 60_000;

let site: Site;
let system: System;

beforeAll(async () => {
  site = await Site.open('model');
  system = new System(site, await site.driver('node-one').start());
  for (const index of KINDS.keys()) await system.renew(index);
});
afterAll(async () => {
  await system.end();
  await site.close();
});

const index = fc.nat(KINDS.length - 1);
const pod = fc.nat(PODS.length - 1);
const cut = (kind: 'hurried' | 'killed', max: number) =>
  fc.record({ kind: fc.constant(kind), ms: fc.nat(max), again: fc.boolean() });
const how: fc.Arbitrary<How> = fc.oneof(
  { weight: 10, arbitrary: fc.constant<How>({ kind: 'plain' }) },
  { weight: 4, arbitrary: fc.constant<How>({ kind: 'twice' }) },
  { weight: 4, arbitrary: cut('hurried', 250) },
  { weight: 2, arbitrary: cut('killed', 300) },
);
const calls = (call: Call) => fc.tuple(index, pod, how).map((it) => new NodeCall(call, ...it));
const work = fc
  .tuple(index, pod, fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 }))
  .map((it) => new PodWork(...it));

const life = fc.commands(
  [
    // Twice what brings a volume further, or few of them would ever come to a pod.
    ...[calls('stage'), calls('stage'), calls('publish'), calls('publish'), work, work],
    ...[calls('unpublish'), calls('unstage'), calls('stats'), calls('expand'), calls('unpublish'), calls('unstage')],
    ...[calls('stage'), calls('publish'), work],
    fc.constant(null).map(() => new Crash()),
  ],
  { maxCommands: 16, size: 'max', ...(REPLAY === undefined ? {} : { replayPath: REPLAY }) },
);

it(`${RUNS} random lives of three volumes, every node RPC, cut short and killed: no promise is broken`, {
  timeout: RUNS * RUN_MS,
}, async () => {
  const begun = performance.now();
  const count = { runs: 0, commands: 0 };
  const property = fc.asyncProperty(life, fc.nat(8), async (commands, renewed) => {
    // A new volume now and then, so that mkfs too is cut short.
    if (renewed < KINDS.length) await system.renew(renewed);
    try {
      await fc.asyncModelRun(() => ({ model: newModel(), real: system }), commands);
    } finally {
      await quiesce(system);
    }
    count.runs += 1;
    count.commands += [...commands].length;
  });
  const where = {
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    ...(PATH === undefined ? {} : { path: PATH }),
  };
  // The real world has no second chance: what fails is shown as it was, not made smaller.
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true, ...where });
  const seconds = (performance.now() - begun) / 1000;
  process.stdout.write(
    `model: ${count.runs} runs, ${count.commands} commands, ${system.restarts} kills in ${seconds.toFixed(0)} s\n`,
  );
  expect(count.runs).toBe(RUNS);
});
