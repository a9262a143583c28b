/** A tree of which parts are there, or not, as switches say: what the chart's templates are written from. */
import { isDeepStrictEqual } from 'node:util';
import { isBranch, isList, type Branch, type Tree } from '../../manifests/kube-object.js';

/** A setting that is true, or not empty; or its contrary. */
export interface Condition {
  readonly setting: string;
  readonly is: boolean;
}

export interface Piece {
  /** Undefined for what is always there. */
  readonly when: Condition | undefined;
  readonly part: Part;
}

export type Part =
  | { readonly kind: 'scalar'; readonly value: string | number | boolean | null }
  | { readonly kind: 'map'; readonly entries: readonly (Piece & { readonly key: string })[] }
  | { readonly kind: 'list'; readonly items: readonly Piece[] }
  | { readonly kind: 'choice'; readonly setting: string; readonly yes: Part; readonly no: Part };

/** The tree as it is, without a condition. */
export function lift(tree: Tree): Part {
  if (isList(tree)) return { kind: 'list', items: tree.map((one) => ({ when: undefined, part: lift(one) })) };
  if (!isBranch(tree)) return { kind: 'scalar', value: tree };
  const entries = Object.entries(tree).map(([key, one]) => ({ key, when: undefined, part: lift(one) }));
  return { kind: 'map', entries };
}

/**
 * The part with one more condition in it, found by what differs with the setting on.
 * @param without the tree with all settings off, of which the part was made
 */
export function addCondition(part: Part, without: Tree, having: Tree, setting: string): Part {
  if (isDeepStrictEqual(without, having)) return part;
  if (part.kind === 'map' && isBranch(without) && isBranch(having)) return addToMap(part, without, having, setting);
  if (part.kind === 'list' && isList(without) && isList(having)) return addToList(part, without, having, setting);
  if (part.kind !== 'scalar') throw new Error(`two settings change one place, ${setting} is one of them`);
  return { kind: 'choice', setting, yes: lift(having), no: part };
}

type MapPart = Extract<Part, { kind: 'map' }>;
type ListPart = Extract<Part, { kind: 'list' }>;

function addToMap({ entries }: MapPart, without: Branch, having: Branch, setting: string): Part {
  const kept = entries.map((entry) => {
    const { key, when, part } = entry;
    const [before, after] = [without[key], having[key]];
    if (when !== undefined || before === undefined) return entry;
    if (after === undefined) return { key, when: { setting, is: false }, part };
    return { key, when, part: addCondition(part, before, after, setting) };
  });
  const added = Object.entries(having).filter(([key]) => !(key in without));
  const more = added.map(([key, one]) => ({ key, when: { setting, is: true }, part: lift(one) }));
  return { kind: 'map', entries: [...kept, ...more] };
}

function addToList({ items }: ListPart, without: readonly Tree[], having: readonly Tree[], setting: string): Part {
  const result: Piece[] = [];
  const before = [...without];
  let after = [...having];
  const addUntil = (end: number): void => {
    for (const one of after.slice(0, end)) result.push({ when: { setting, is: true }, part: lift(one) });
  };
  for (const item of items) {
    // What another setting adds is in neither of the two.
    const own = item.when?.is === true ? undefined : before.shift();
    if (own === undefined) {
      result.push(item);
      continue;
    }
    const at = after.findIndex((one) => isSame(own, one));
    const found = after[at];
    if (found === undefined) {
      if (item.when !== undefined) throw new Error(`two settings take one item away, ${setting} is one of them`);
      result.push({ when: { setting, is: false }, part: item.part });
      continue;
    }
    addUntil(at);
    result.push({ when: item.when, part: addCondition(item.part, own, found, setting) });
    after = after.slice(at + 1);
  }
  addUntil(after.length);
  return { kind: 'list', items: result };
}

/** Equal, or the same thing in two states: an object by kind and name, an item by its name or path. */
function isSame(one: Tree, other: Tree): boolean {
  if (isDeepStrictEqual(one, other)) return true;
  const [a, b] = [identityOf(one), identityOf(other)];
  return a !== undefined && a === b;
}

function identityOf(tree: Tree): string | undefined {
  if (!isBranch(tree)) return undefined;
  const { kind, metadata, name, mountPath } = tree;
  const identity = isBranch(metadata) ? [kind, metadata['name']] : [mountPath ?? name];
  return identity.every((one) => typeof one === 'string') ? identity.join(' ') : undefined;
}
