/**
 * Every combination of what may be true of one volume: no act without its reasons, and nothing that is wrong passes in
 * silence.
 */
import { expect, it } from 'vitest';
import { decide } from '../../../src/reconcile/decide-round.js';
import type { NodeFacts } from '../../../src/reconcile/node-facts.js';
import { entry, facts, FRESH, iso, kubelet, mapping, mount, OLD, ROOT, STAGING, target, TARGET } from './scene.js';

const BOTH = [false, true] as const;
const AXES = {
  state: ['staging', 'staged', 'unstaging'],
  mapped: ['no', 'served', 'unserved', 'elsewhere'],
  staging: ['free', 'ours', 'foreign'],
  users: ['none', 'target', 'elsewhere'],
  claim: ['none', 'pod', 'fresh stage', 'old stage'],
  age: ['old', 'fresh entry', 'young process'],
  gate: ['open', 'running', 'blind'],
  holds: BOTH,
  block: BOTH,
  incomplete: BOTH,
  mapper: ['krbd', 'nbd'],
} as const;
type Scene = { readonly [Axis in keyof typeof AXES]: (typeof AXES)[Axis][number] };

function* scenes(): Generator<Scene> {
  const axes = Object.entries(AXES) as [keyof Scene, readonly unknown[]][];
  const total = axes.reduce((product, [, values]) => product * values.length, 1);
  for (let index = 0; index < total; index += 1) {
    let rest = index;
    const scene: Record<string, unknown> = {};
    for (const [axis, values] of axes) {
      scene[axis] = values[rest % values.length];
      rest = Math.floor(rest / values.length);
    }
    yield scene as Scene;
  }
}

function factsOf(scene: Scene): NodeFacts {
  const { mapper } = scene;
  const own = entry({
    ...{ state: scene.state, holdsRecord: scene.holds, access: scene.block ? 'block' : 'mount', mapper },
    ...{ targets: target, since: iso(scene.age === 'fresh entry' ? FRESH : OLD) },
  });
  const unserved = scene.mapped === 'unserved' ? 'its daemon has died' : undefined;
  const fsid = scene.mapped === 'elsewhere' ? 'beef' : own.fsid;
  const claims = {
    none: [],
    pod: [kubelet()],
    'fresh stage': [kubelet({ kind: 'stage', changed: FRESH })],
    'old stage': [kubelet({ kind: 'stage' })],
  }[scene.claim];
  return facts({
    entries: [own],
    mappings: scene.mapped === 'no' ? [] : [mapping({ mapper, fsid }, { unserved })],
    mounts: [
      ...(scene.staging === 'free' ? [] : [mount(STAGING, scene.staging === 'ours' ? '252:0' : '8:1')]),
      ...(scene.users === 'target' ? [mount(TARGET)] : []),
      ...(scene.users === 'elsewhere' ? [mount('/elsewhere')] : []),
    ],
    kubelet: { root: ROOT, volumes: claims, unclear: [], incomplete: scene.incomplete ? 'EACCES' : undefined },
    quietFrom: scene.age === 'young process' ? FRESH : OLD,
    blind: new Map(scene.gate === 'blind' ? [[mapper, 'unreadable']] : []),
    isRunning: () => scene.gate === 'running',
  });
}

/** Which acts are allowed in a scene at all, told from the scene and not from the decision's code. */
function allowed(scene: Scene): readonly string[] {
  if (scene.gate !== 'open') return [];
  const isMapped = scene.mapped === 'served' || scene.mapped === 'unserved';
  return isMapped ? allowedMapped(scene) : allowedUnmapped(scene);
}

function allowedUnmapped(scene: Scene): readonly string[] {
  const isMounted = scene.staging !== 'free' || scene.users === 'target';
  if (isMounted || scene.mapped === 'elsewhere') return [];
  if (scene.state === 'staged') return ['forget', 'clear'];
  if (scene.age !== 'old') return [];
  return scene.state === 'unstaging' && scene.holds ? ['give back'] : ['forget', 'clear'];
}

function allowedMapped(scene: Scene): readonly string[] {
  if (scene.state === 'staged' && scene.mapped === 'unserved') return scene.mapper === 'nbd' ? ['reattach'] : [];
  if (scene.users !== 'none') return [];
  if (scene.state === 'unstaging') return ['complete'];
  const isClaimed = scene.claim === 'pod' || scene.claim === 'fresh stage';
  return isHealthy(scene) || scene.age !== 'old' || isClaimed || scene.incomplete ? [] : ['undo'];
}

const isHealthy = ({ state, mapped, block, staging }: Scene): boolean =>
  state === 'staged' && mapped === 'served' && (block || staging === 'ours');

/** What is as it should be, somebody's work right now, or too young to tell, is not spoken of. */
const mayBeSilent = (scene: Scene): boolean =>
  scene.gate === 'running' || isHealthy(scene) || scene.age !== 'old' || scene.incomplete;

/** What is wrong with the decision; undefined where nothing is. */
function complaint(scene: Scene): string | undefined {
  const { acts, reports } = decide(factsOf(scene));
  const may = allowed(scene);
  const kinds = acts.map(({ kind }) => kind);
  const bad = kinds.find((kind) => !may.includes(kind));
  if (bad !== undefined) return `${bad} is not allowed`;
  if (kinds.filter((kind) => kind !== 'clear').length > 1) return 'more than one act';
  if (may.length > 0 && kinds.length === 0) return `nothing is done, not even ${may.join(' or ')}`;
  const spoken = kinds.length + reports.length;
  if (spoken === 0 && !mayBeSilent(scene)) return 'it passes in silence';
  return spoken > 0 && isHealthy(scene) && scene.gate !== 'blind' && !scene.incomplete ? 'it is all well' : undefined;
}

it('acts only where it may, and says why where it does not, in every combination', () => {
  let count = 0;
  for (const scene of scenes()) {
    const why = complaint(scene);
    if (why !== undefined) expect.fail(`${why}: ${JSON.stringify(scene)}`);
    count += 1;
  }
  expect(count).toBe(62_208);
});
