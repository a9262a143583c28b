/** The manifests of deploy/ as their documents, with the few fields that the tests look at. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { packageRoot } from '../../../src/model/package-root.js';

export interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly verbs: string[];
  readonly resourceNames?: string[];
}

export interface Probe {
  readonly exec?: { readonly command: string[] };
  readonly httpGet?: { readonly host?: string; readonly path: string; readonly port: number };
  readonly timeoutSeconds?: number;
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly subPath?: string;
  readonly mountPropagation?: string;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: string[];
  readonly env?: {
    readonly name: string;
    readonly valueFrom: {
      readonly fieldRef?: { readonly fieldPath: string };
      readonly configMapKeyRef?: { readonly name: string; readonly key: string };
    };
  }[];
  readonly envFrom?: { readonly configMapRef: { readonly name: string } }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: VolumeMount[];
}

export interface Volume {
  readonly name: string;
  readonly hostPath?: { readonly path: string; readonly type?: string };
  readonly emptyDir?: { readonly medium?: string };
  readonly projected?: {
    readonly sources: {
      readonly configMap?: { readonly name: string };
      readonly secret?: {
        readonly name: string;
        readonly optional?: boolean;
        readonly items?: { readonly key: string; readonly path: string }[];
      };
    }[];
  };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken?: boolean;
  readonly runtimeClassName?: string;
  readonly terminationGracePeriodSeconds: number;
  readonly hostNetwork?: boolean;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly containers: Container[];
  readonly volumes: Volume[];
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly spec: {
    readonly selector: { readonly matchLabels: Record<string, string> };
    readonly template: { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: PodSpec };
    readonly [field: string]: unknown;
  };
  readonly rules: Rule[];
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: { readonly kind: string; readonly name: string; readonly namespace: string }[];
  readonly data: Record<string, string>;
  readonly stringData: Record<string, string>;
  readonly provisioner: string;
  readonly parameters: Record<string, string>;
  /** Of a RuntimeClass. */
  readonly handler: string;
  readonly overhead: { readonly podFixed: Record<string, string> };
}

export const root = packageRoot();
export const directories = ['deploy/kubernetes', 'deploy/site', 'deploy/examples'];
export const text = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** Names of the YAML files below one of the directories, the kustomization aside. */
export const manifestsIn = (directory: string): string[] =>
  readdirSync(path.join(root, directory)).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');

export const kustomization = (directory: string) =>
  parse(text(`${directory}/kustomization.yaml`)) as {
    readonly resources: string[];
    readonly images?: { readonly name: string; readonly newTag?: string }[];
    readonly components?: string[];
    readonly replacements?: Replacement[];
    readonly patches?: {
      readonly target: { readonly kind: string; readonly name: string };
      readonly patch: string;
    }[];
  };

/** What a kustomization puts into other objects, in place of one part of a field that is split by `delimiter`. */
export interface Replacement {
  readonly source: { readonly kind: string; readonly name: string; readonly fieldPath: string };
  readonly targets: {
    readonly select: { readonly kind: string; readonly name: string };
    readonly fieldPaths: string[];
    readonly options: { readonly delimiter: string; readonly index: number };
  }[];
}

/** Every document of every manifest. Throws where one is not YAML. */
export const objects: readonly KubeObject[] = directories.flatMap((directory) =>
  manifestsIn(directory).flatMap((name) =>
    parseAllDocuments(text(`${directory}/${name}`), { strict: true, uniqueKeys: true }).map((document) => {
      const [error] = [...document.errors, ...document.warnings];
      if (error !== undefined) throw error;
      return document.toJS() as KubeObject;
    }),
  ),
);

export function object(kind: string, name: string): KubeObject {
  const found = objects.filter((one) => one.kind === kind && one.metadata.name === name);
  if (found.length !== 1) throw new Error(`${found.length} objects ${kind} ${name}`);
  return found[0]!;
}

export const ofKind = (kind: string): readonly KubeObject[] => objects.filter((one) => one.kind === kind);

export const controller = object('Deployment', 'berth-controller').spec.template.spec;
export const node = object('DaemonSet', 'berth-node').spec.template.spec;
export const pods = { controller, node };

export function container(pod: PodSpec, name: string): Container {
  const found = pod.containers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

/** The value of `--name=value` among a container's arguments. */
export const argument = ({ args }: Container, name: string): string | undefined =>
  args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);

/** As kustomize does it: `a.[name=x].b` names an element of a list; the part of that index becomes `value`. */
export function replaceIn(
  tree: object,
  field: string,
  { delimiter, index }: { readonly delimiter: string; readonly index: number },
  value: string,
): void {
  const names = field.split('.');
  const last = names.pop()!;
  let at = tree as Record<string, unknown>;
  for (const name of names) {
    const wanted = /^\[name=(.+)\]$/.exec(name)?.[1];
    const next = wanted === undefined ? at[name] : Object.values(at).find((one) => (one as Volume).name === wanted);
    at = next as Record<string, unknown>;
  }
  const parts = (at[last] as string).split(delimiter);
  parts[index] = value;
  at[last] = parts.join(delimiter);
}
