/**
 * Every combination of what may be true of one volume: no act without its reasons, and nothing that is wrong passes in
 * silence.
 */
import { expect, it } from 'vitest';
import { decide } from '../../../src/reconcile/decide-round.js';
import type { NodeFacts } from '../../../src/reconcile/node-facts.js';
import {
  entry,
  facts,
  FRESH,
  iso,
  kubelet,
  mapping,
  mount,
  OLD,
  ROOT,
  STAGING,
  target,
  TARGET,
} from './node-facts-fixture.js';

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
type Combination = { readonly [Axis in keyof typeof AXES]: (typeof AXES)[Axis][number] };

function* combinations(): Generator<Combination> {
  const axes = Object.entries(AXES) as [keyof Combination, readonly unknown[]][];
  const total = axes.reduce((product, [, values]) => product * values.length, 1);
  for (let index = 0; index < total; index += 1) {
    let rest = index;
    const combination: Record<string, unknown> = {};
    for (const [axis, values] of axes) {
      combination[axis] = values[rest % values.length];
      rest = Math.floor(rest / values.length);
    }
    yield combination as Combination;
  }
}

function factsOf(combination: Combination): NodeFacts {
  const { mapper } = combination;
  const own = entry({
    ...{
      state: combination.state,
      holdsRecord: combination.holds,
      access: combination.block ? 'block' : 'mount',
      mapper,
    },
    ...{ targets: target, since: iso(combination.age === 'fresh entry' ? FRESH : OLD) },
  });
  const unserved = combination.mapped === 'unserved' ? 'its daemon has died' : undefined;
  const fsid = combination.mapped === 'elsewhere' ? 'beef' : own.fsid;
  const claims = {
    none: [],
    pod: [kubelet()],
    'fresh stage': [kubelet({ kind: 'stage', changed: FRESH })],
    'old stage': [kubelet({ kind: 'stage' })],
  }[combination.claim];
  return facts({
    entries: [own],
    mappings: combination.mapped === 'no' ? [] : [mapping({ mapper, fsid }, { unserved })],
    mounts: [
      ...(combination.staging === 'free' ? [] : [mount(STAGING, combination.staging === 'ours' ? '252:0' : '8:1')]),
      ...(combination.users === 'target' ? [mount(TARGET)] : []),
      ...(combination.users === 'elsewhere' ? [mount('/elsewhere')] : []),
    ],
    kubelet: { root: ROOT, volumes: claims, unclear: [], incomplete: combination.incomplete ? 'EACCES' : undefined },
    quietFrom: combination.age === 'young process' ? FRESH : OLD,
    blind: new Map(combination.gate === 'blind' ? [[mapper, 'unreadable']] : []),
    isRunning: () => combination.gate === 'running',
  });
}

/** Which acts are allowed in a combination at all, told from the combination and not from the decision's code. */
function allowed(combination: Combination): readonly string[] {
  if (combination.gate !== 'open') return [];
  const isMapped = combination.mapped === 'served' || combination.mapped === 'unserved';
  return isMapped ? allowedMapped(combination) : allowedUnmapped(combination);
}

function allowedUnmapped(combination: Combination): readonly string[] {
  const isMounted = combination.staging !== 'free' || combination.users === 'target';
  if (isMounted || combination.mapped === 'elsewhere') return [];
  if (combination.state === 'staged') return ['forget', 'clear'];
  if (combination.age !== 'old') return [];
  return combination.state === 'unstaging' && combination.holds ? ['give back'] : ['forget', 'clear'];
}

function allowedMapped(combination: Combination): readonly string[] {
  if (combination.state === 'staged' && combination.mapped === 'unserved')
    return combination.mapper === 'nbd' ? ['reattach'] : [];
  if (combination.users !== 'none') return [];
  const waits = combination.mapped === 'unserved' && combination.staging === 'ours' && combination.mapper === 'nbd';
  if (combination.state === 'unstaging') return [waits ? 'reattach' : 'complete'];
  if (waits && combination.age === 'old') return ['reattach'];
  const isClaimed = combination.claim === 'pod' || combination.claim === 'fresh stage';
  return isHealthy(combination) || combination.age !== 'old' || isClaimed || combination.incomplete ? [] : ['undo'];
}

/** One that no pod has used for long was forgotten by the kubelet. */
const isHealthy = ({ state, mapped, block, staging, users, age }: Combination): boolean =>
  state === 'staged' && mapped === 'served' && (block || staging === 'ours') && (users !== 'none' || age !== 'old');

/** What is as it should be, somebody's work right now, or too young to tell, is not spoken of. */
const mayBeSilent = (combination: Combination): boolean =>
  combination.gate === 'running' || isHealthy(combination) || combination.age !== 'old' || combination.incomplete;

/** What is wrong with the decision; undefined where nothing is. */
async function complaint(combination: Combination): Promise<string | undefined> {
  const { acts, reports } = await decide(factsOf(combination));
  const may = allowed(combination);
  const kinds = acts.map(({ kind }) => kind);
  const bad = kinds.find((kind) => !may.includes(kind));
  if (bad !== undefined) return `${bad} is not allowed`;
  if (kinds.filter((kind) => kind !== 'clear').length > 1) return 'more than one act';
  if (may.length > 0 && kinds.length === 0) return `nothing is done, not even ${may.join(' or ')}`;
  const spoken = kinds.length + reports.length;
  if (spoken === 0 && !mayBeSilent(combination)) return 'it passes in silence';
  return spoken > 0 && isHealthy(combination) && combination.gate !== 'blind' && !combination.incomplete
    ? 'it is all well'
    : undefined;
}

it('acts only where it may, and says why where it does not, in every combination', async () => {
  let count = 0;
  for (const combination of combinations()) {
    const why = await complaint(combination);
    if (why !== undefined) expect.fail(`${why}: ${JSON.stringify(combination)}`);
    count += 1;
  }
  expect(count).toBe(62_208);
});
