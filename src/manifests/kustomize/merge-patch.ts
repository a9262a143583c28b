/** Strategic merge patches, as far as our kustomizations use them: maps are merged, items of lists by their key. */
import { isBranch, isList, type Branch, type Tree } from '../kube-object.js';

/** By which field Kubernetes knows an item of such a list again; other lists are replaced as a whole. */
const KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  env: 'name',
};
const DIRECTIVE = '$patch';

const isGone = (change: Tree | undefined): boolean => change === null || isDelete(change);
const isDelete = (tree: Tree | undefined): boolean => isBranch(tree) && tree[DIRECTIVE] === 'delete';

/** Undefined where the patch deletes the whole. */
export const mergePatch = (tree: Branch, patch: Branch): Branch | undefined =>
  isDelete(patch) ? undefined : mergeMaps(tree, patch);

function mergeMaps(tree: Branch, patch: Branch): Branch {
  const kept = Object.entries(tree).filter(([name]) => !isGone(patch[name]));
  const changed = Object.entries(patch).flatMap(([name, change]): [string, Tree][] =>
    isGone(change) ? [] : [[name, mergeField(name, tree[name], change)]],
  );
  return { ...Object.fromEntries(kept), ...Object.fromEntries(changed) };
}

function mergeField(name: string, before: Tree | undefined, change: Tree): Tree {
  if (isBranch(before) && isBranch(change)) return mergeMaps(before, change);
  const key = KEYS[name];
  if (key === undefined || !isList(before) || !isList(change)) return change;
  // kustomize puts what is new before what is there.
  const keyOf = (item: Tree): Tree | undefined => (isBranch(item) ? item[key] : undefined);
  const isThere = (item: Tree): boolean => before.some((one) => keyOf(one) === keyOf(item));
  const added = change.filter((item) => !isThere(item) && !isDelete(item));
  const kept = before.flatMap((one) => {
    const patch = change.find((item) => keyOf(item) === keyOf(one));
    if (!isBranch(one) || !isBranch(patch)) return [one];
    return isDelete(patch) ? [] : [mergeMaps(one, patch)];
  });
  return [...added, ...kept];
}
