/**
 * The schemas that Kubernetes, the Prometheus operator and the snapshotter publish, as strict as `kubectl apply` is: a
 * field that the release does not know is a fault. `node tools/take-schemas.js` writes them anew.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv';
import { packageRoot } from '../../src/model/package-root.js';

/** Kubernetes releases whose schemas are here: the ends of what each set of sidecars is for, and one between. */
export const RELEASES = ['1.26', '1.30', '1.33', '1.34', '1.36'] as const;
export type Release = (typeof RELEASES)[number];

/** Of kinds that are no part of Kubernetes. */
const ADDITIONS = ['prometheus-operator', 'csi-snapshots'];

interface Published {
  /** References to definitions, by `apps/v1 Deployment`. */
  readonly kinds: Readonly<Record<string, { readonly $ref: string }>>;
  readonly definitions: Readonly<Record<string, object>>;
}

type Kinded = { readonly apiVersion: string; readonly kind: string; readonly metadata: object };

/** What is wrong with an object, a sentence each, with the place; none where the API server would take it. */
export type Faults = (object: Kinded) => readonly string[];

export function publishedFor(release: Release): Faults {
  const ajv = new Ajv({ allErrors: true });
  const references = new Map<string, string>();
  for (const name of [`kubernetes-${release}`, ...ADDITIONS]) {
    const { kinds, definitions } = published(name);
    ajv.addSchema({ $id: name, definitions });
    for (const [kind, { $ref }] of Object.entries(kinds)) references.set(kind, `${name}${$ref}`);
    const metadata = Object.keys(definitions).find((one) => /\bObjectMeta$|^V1ObjectMeta$/.test(one));
    if (metadata !== undefined) references.set('metadata', `${name}#/definitions/${metadata}`);
  }
  const faults = (what: string, value: unknown): readonly string[] => {
    const $ref = references.get(what);
    if (ajv.validate($ref === undefined ? false : { $ref }, value) === true) return [];
    if ($ref === undefined) return [`${what} is nowhere in Kubernetes ${release}`];
    return (ajv.errors ?? []).map(
      ({ dataPath, message = '', params }) => `${what} ${dataPath} ${message} ${JSON.stringify(params)}`,
    );
  };
  return (object) => [
    ...faults(`${object.apiVersion} ${object.kind}`, object),
    ...faults('metadata', object.metadata),
    ...('name' in object.metadata ? [] : [`${object.kind} has no name`]),
  ];
}

const published = (name: string): Published =>
  JSON.parse(readFileSync(path.join(packageRoot(), 'test/schemas', `${name}.json`), 'utf8')) as Published;
