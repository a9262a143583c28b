/**
 * Builds directories of deploy/ as kustomize does: what it prints, we print (a test compares both). It knows what our
 * files use, and throws for all else.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { KubeObject } from '../kube-object.js';
import { patchByPointers, type Act } from './json-patch.js';
import { mergePatch } from './merge-patch.js';
import { changeImages, replace, type ImageChange, type Replacement } from './replacements.js';

interface Patch {
  readonly target?: { readonly kind: string; readonly name: string };
  readonly patch: string;
}

interface Kustomization {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly patches?: readonly Patch[];
  readonly images?: readonly ImageChange[];
  readonly replacements?: readonly Replacement[];
}

const KNOWN = ['apiVersion', 'kind', 'resources', 'components', 'patches', 'images', 'replacements'];

/** All objects that a kustomization of its own makes. @param directory absolute */
export const buildDirectory = (directory: string): readonly KubeObject[] => apply([], directory);

/** What a component makes of these objects. @param directory absolute */
export const addComponent = (objects: readonly KubeObject[], directory: string): readonly KubeObject[] =>
  apply(objects, directory);

/** The documents of one file. */
export const readManifests = (file: string): readonly KubeObject[] =>
  parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as KubeObject);

function apply(before: readonly KubeObject[], directory: string): readonly KubeObject[] {
  const said = parse(readFileSync(path.join(directory, 'kustomization.yaml'), 'utf8')) as Kustomization;
  const strange = Object.keys(said).find((key) => !KNOWN.includes(key));
  if (strange !== undefined) throw new Error(`${directory}: ${strange} is not understood`);
  const { resources = [], components = [], patches = [], images = [], replacements = [] } = said;
  const own = resources.flatMap((name) => {
    const at = path.join(directory, name);
    return name.endsWith('.yaml') ? readManifests(at) : buildDirectory(at);
  });
  const made = components.reduce<readonly KubeObject[]>(
    (all, name) => apply(all, path.join(directory, name)),
    [...before, ...own],
  );
  const patched = patches.reduce(applyPatch, made);
  const imaged = patched.map((one) => changeImages(one, images) as unknown as KubeObject);
  return replacements.reduce(replace, imaged);
}

function applyPatch(objects: readonly KubeObject[], { target, patch }: Patch): readonly KubeObject[] {
  const change = parse(patch) as readonly Act[] | KubeObject;
  const named = target ?? namedBy(change);
  const isMeant = (one: KubeObject): boolean => one.kind === named.kind && one.metadata.name === named.name;
  if (!objects.some(isMeant)) throw new Error(`a patch is for ${named.kind} ${named.name}, which is not there`);
  return objects.flatMap((one): readonly KubeObject[] => {
    if (!isMeant(one)) return [one];
    const patched = isActs(change) ? patchByPointers(one, change) : mergePatch(one, change);
    return patched === undefined ? [] : [patched as KubeObject];
  });
}

const isActs = (change: readonly Act[] | KubeObject): change is readonly Act[] => Array.isArray(change);

/** Which object a patch without a target is for. */
function namedBy(change: readonly Act[] | KubeObject): { readonly kind: string; readonly name: string } {
  if (isActs(change)) throw new Error('a patch by pointers has no target');
  return { kind: change.kind, name: change.metadata.name };
}
