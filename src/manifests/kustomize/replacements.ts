/** `images` and `replacements` of a kustomization: values that are put into fields of other objects. */
import { changeObject, isBranch, isList, type Branch, type KubeObject, type Tree } from '../kube-object.js';

export interface ImageChange {
  readonly name: string;
  readonly newName?: string;
  readonly newTag?: string;
}

export interface Replacement {
  readonly source: { readonly kind: string; readonly name: string; readonly fieldPath: string };
  readonly targets: readonly {
    readonly select: { readonly kind: string; readonly name: string };
    readonly fieldPaths: readonly string[];
    readonly options?: { readonly delimiter: string; readonly index: number };
  }[];
}

/** Every field `image`, wherever it is, that names one of them. */
export function changeImages(tree: Tree, images: readonly ImageChange[]): Tree {
  if (isList(tree)) return tree.map((one) => changeImages(one, images));
  if (!isBranch(tree)) return tree;
  const changed = Object.entries(tree).map(([key, value]): [string, Tree] =>
    key === 'image' && typeof value === 'string' ? [key, imageOf(value, images)] : [key, changeImages(value, images)],
  );
  return Object.fromEntries(changed);
}

function imageOf(image: string, images: readonly ImageChange[]): string {
  const [, name = '', tag = ''] = /^(.+):([^:/]+)$/.exec(image) ?? [];
  const change = images.find((one) => one.name === name);
  return change === undefined ? image : `${change.newName ?? name}:${change.newTag ?? tag}`;
}

/** Throws where source, target or field is not there. */
export function replace(objects: readonly KubeObject[], { source, targets }: Replacement): readonly KubeObject[] {
  const from = objects.find((one) => one.kind === source.kind && one.metadata.name === source.name);
  const value = from && fieldOf(from, source.fieldPath.split('.'));
  if (typeof value !== 'string') throw new Error(`${source.kind} ${source.name} has no ${source.fieldPath}`);
  return targets.reduce(
    (changed, { select, fieldPaths, options }) =>
      changeObject(changed, select.kind, select.name, (object) =>
        fieldPaths.reduce<Tree>((tree, path) => setField(tree, stepsOf(path), partSetter(value, options)), object),
      ),
    objects,
  );
}

/** `volumes.[name=socket].path`: a dot between brackets is none. */
const stepsOf = (path: string): readonly string[] => path.split(/\.(?![^[]*\])/);

const fieldOf = (tree: Tree | undefined, [name, ...rest]: readonly string[]): Tree | undefined =>
  name === undefined || !isBranch(tree) ? tree : fieldOf(tree[name], rest);

function partSetter(value: string, options: Replacement['targets'][number]['options']): (before: Tree) => Tree {
  if (options === undefined) return () => value;
  return (before) => {
    if (typeof before !== 'string') throw new Error('a replacement wants a part of what is no text');
    return before.split(options.delimiter).with(options.index, value).join(options.delimiter);
  };
}

/**
 * @param steps names of fields, `[name=socket]` for an item of a list
 * @throws where one of them is not there
 */
export function setField(tree: Tree | undefined, steps: readonly string[], set: (before: Tree) => Tree): Tree {
  const [step, ...rest] = steps;
  if (tree === undefined) throw new Error('the manifests lack a field that is to be set');
  if (step === undefined) return set(tree);
  const [, key, wanted] = /^\[(\w+)=(.+)\]$/.exec(step) ?? [];
  if (isList(tree) && key !== undefined) {
    const index = tree.findIndex((one) => isBranch(one) && one[key] === wanted);
    if (index < 0) throw new Error(`the manifests have no ${step} to be set`);
    return tree.with(index, setField(tree[index], rest, set));
  }
  if (!isBranch(tree)) throw new Error(`the manifests have no ${step} to be set`);
  return { ...tree, [step]: setField((tree as Branch)[step], rest, set) };
}
