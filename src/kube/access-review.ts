/**
 * What an account of Berth may do in the API, asked of the server's own authorizer; asking changes nothing. The rights
 * are those of the roles berth-driver and berth-node in deploy/kubernetes.
 */
import type { Deadline } from '../model/deadline.js';
import type { KubeApi } from './api.js';
import {
  ACCESS_REVIEWS,
  CLAIMS,
  CORE_EVENTS,
  CSI_DRIVERS,
  CSI_NODES,
  EVENTS,
  GROUP_SNAPSHOT_CONTENTS,
  NAMESPACES,
  NODES,
  PERSISTENT_VOLUMES,
  PODS,
  resourceName,
  RUNTIME_CLASSES,
  SNAPSHOT_CONTENTS,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
  type Resource,
} from './objects.js';

export interface Right {
  readonly resource: Resource;
  readonly verbs: readonly string[];
  /** Of one object alone; undefined for all. */
  readonly name?: string;
}

const READ = ['get', 'list', 'watch'] as const;

/** By what a process serves. */
export const RIGHTS: Readonly<Record<'controller' | 'node', readonly Right[]>> = {
  controller: [
    { resource: VOLUME_ATTACHMENTS, verbs: READ },
    { resource: PERSISTENT_VOLUMES, verbs: READ },
    { resource: NODES, verbs: ['get'] },
    { resource: CSI_NODES, verbs: ['get'] },
    { resource: CSI_DRIVERS, verbs: ['get'], name: 'rbd.csi.berth.dev' },
    { resource: NAMESPACES, verbs: ['get'], name: 'kube-system' },
    { resource: CLAIMS, verbs: ['get'] },
    { resource: STORAGE_CLASSES, verbs: ['get'] },
    { resource: PODS, verbs: ['get', 'list'] },
    { resource: RUNTIME_CLASSES, verbs: ['get'] },
    { resource: CORE_EVENTS, verbs: ['list'] },
    { resource: SNAPSHOT_CONTENTS, verbs: ['list'] },
    { resource: GROUP_SNAPSHOT_CONTENTS, verbs: ['list'] },
    { resource: EVENTS, verbs: ['create', 'patch'] },
  ],
  node: [
    { resource: PODS, verbs: ['get'] },
    { resource: NAMESPACES, verbs: ['get'], name: 'kube-system' },
    { resource: RUNTIME_CLASSES, verbs: ['get'] },
  ],
};

/** `verb resource` of each that this account may not; errors of the API where it cannot be asked. */
export async function rightsMissing(
  api: Pick<KubeApi, 'ask'>,
  rights: readonly Right[],
  deadline: Deadline,
): Promise<readonly string[]> {
  const each = rights.flatMap(({ resource, verbs, name }) => verbs.map((verb) => ({ resource, verb, name })));
  const asked = each.map(async ({ resource, verb, name }) => {
    const { group, version, plural } = resource;
    const resourceAttributes = { group, version, resource: plural, verb, name };
    const kind = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' };
    const answer = (await api.ask(ACCESS_REVIEWS, { ...kind, spec: { resourceAttributes } }, deadline)) as Review;
    return answer.status?.allowed === true ? [] : [`${verb} ${resourceName(resource)}`];
  });
  return (await Promise.all(asked)).flat();
}

interface Review {
  readonly status?: { readonly allowed?: boolean };
}
