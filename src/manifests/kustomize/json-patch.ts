/** Patches by JSON pointers (RFC 6902), as far as our kustomizations use them: test, add, replace, remove. */
import { isDeepStrictEqual } from 'node:util';
import { isBranch, isList, type Tree } from '../kube-object.js';

export interface Act {
  readonly op: string;
  readonly path: string;
  readonly value?: Tree;
}

/** Throws where a place is not there, or a `test` finds something else. */
export const patchByPointers = (tree: Tree, acts: readonly Act[]): Tree =>
  acts.reduce((patched, act) => at(patched, pointer(act.path), act), tree);

const pointer = (path: string): readonly string[] =>
  path
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));

function at(tree: Tree | undefined, [name = '', ...rest]: readonly string[], act: Act): Tree {
  if (isList(tree)) return atIndex(tree, name, rest, act);
  if (!isBranch(tree)) throw new Error(`${act.path} is nowhere`);
  if (rest.length > 0) return { ...tree, [name]: at(tree[name], rest, act) };
  const { [name]: before, ...others } = tree;
  if (act.op !== 'add' && before === undefined) throw new Error(`${act.path} is nowhere`);
  if (act.op === 'remove') return others;
  if (act.op === 'test') return tested(tree, before, act);
  return { ...tree, [name]: valueOf(act) };
}

function atIndex(list: readonly Tree[], name: string, rest: readonly string[], act: Act): Tree {
  const index = name === '-' ? list.length : Number(name);
  if (rest.length > 0) return list.with(index, at(list[index], rest, act));
  if (act.op === 'add') return list.toSpliced(index, 0, valueOf(act));
  if (!(index < list.length)) throw new Error(`${act.path} is nowhere`);
  if (act.op === 'remove') return list.toSpliced(index, 1);
  if (act.op === 'test') return tested(list, list[index], act);
  return list.with(index, valueOf(act));
}

function tested(whole: Tree, found: Tree | undefined, { path, value }: Act): Tree {
  if (isDeepStrictEqual(found, value)) return whole;
  throw new Error(`${path} is ${JSON.stringify(found)}, and ${JSON.stringify(value)} was expected`);
}

function valueOf({ op, path, value }: Act): Tree {
  if ((op !== 'add' && op !== 'replace') || value === undefined) throw new Error(`${op} of ${path} is not understood`);
  return value;
}
