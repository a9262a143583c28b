/** What a manifest is to us: plain values with a kind and a name. */

export type Tree = string | number | boolean | null | readonly Tree[] | { readonly [key: string]: Tree };
export type Branch = Readonly<Record<string, Tree>>;

export interface KubeObject extends Branch {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Branch & { readonly name: string };
}

export const isBranch = (tree: Tree | undefined): tree is Branch =>
  typeof tree === 'object' && tree !== null && !Array.isArray(tree);

export const isList = (tree: Tree | undefined): tree is readonly Tree[] => Array.isArray(tree);

/** `Deployment berth-controller` */
export const titleOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.name}`;

/** The objects, the one of this kind and name changed. Throws where there is none: the manifests are not ours then. */
export function changeObject(
  objects: readonly KubeObject[],
  kind: string,
  name: string,
  change: (object: KubeObject) => Tree,
): readonly KubeObject[] {
  if (!objects.some((one) => one.kind === kind && one.metadata.name === name))
    throw new Error(`the manifests have no ${kind} ${name}`);
  return objects.map((one) =>
    one.kind === kind && one.metadata.name === name ? (change(one) as unknown as KubeObject) : one,
  );
}
