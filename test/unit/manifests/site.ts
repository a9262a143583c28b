/** A site as an operator has it: deploy/kubernetes and deploy/site side by side, edited as install.md says. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { titleOf, type KubeObject, type Tree } from '../../../src/manifests/kube-object.js';
import { root } from '../deploy/objects.js';

export interface Site {
  /** Beside kubelet-root. */
  readonly components?: readonly string[];
  readonly resources?: readonly string[];
  /** Files of the site that are taken out of its resources. */
  readonly without?: readonly string[];
  readonly root?: string;
  /** The kubelet's --volume-plugin-dir. */
  readonly plugins?: string;
  readonly image?: string;
  readonly tag?: string;
  /** Text of a file of the site, by its name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly patches?: readonly Tree[];
}

/** Makes it and names its directory. */
export function siteOf(directory: string, site: Site): string {
  mkdirSync(directory, { recursive: true });
  for (const name of ['kubernetes', 'site'])
    cpSync(path.join(root, 'deploy', name), path.join(directory, name), { recursive: true });
  const home = path.join(directory, 'site');
  const edit = (file: string, change: (text: string) => string): void =>
    writeFileSync(path.join(home, file), change(readFileSync(path.join(home, file), 'utf8')));
  edit('kustomization.yaml', (text) => kustomizationOf(text, site));
  edit('kubelet.yaml', (text) => kubeletOf(text, site));
  for (const [file, text] of Object.entries(site.files ?? {})) edit(file, () => text);
  return home;
}

function kubeletOf(text: string, site: Site): string {
  const { root: at, plugins } = site;
  const rooted = at === undefined ? text : text.replace('root: /var/lib/kubelet', `root: ${at}`);
  return plugins === undefined ? rooted : rooted.replace(/volumePlugins: .*/, `volumePlugins: ${plugins}`);
}

function kustomizationOf(text: string, site: Site): string {
  const said = parse(text) as Record<string, unknown> & { resources: string[]; components: string[]; images: object[] };
  const { components = [], resources = [], without = [], patches } = site;
  const edited = {
    ...said,
    resources: [...said.resources.filter((name) => !without.includes(name)), ...resources],
    components: [...said.components, ...components.map((name) => `../kubernetes/${name}`)],
    images: [{ ...said.images[0], ...(site.image && { newName: site.image }), ...(site.tag && { newTag: site.tag }) }],
    ...(patches === undefined ? {} : { patches }),
  };
  return stringify(edited, { lineWidth: 0 });
}

/** By kind and name, for kustomize has an order of its own. */
export const sorted = (objects: readonly KubeObject[]): readonly KubeObject[] =>
  objects.toSorted((one, other) => titleOf(one).localeCompare(titleOf(other)));
