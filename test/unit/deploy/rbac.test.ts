/** What driver and sidecars may do in the API: all that they need, and not a verb more. */
import { describe, expect, it } from 'vitest';
import { RIGHTS } from '../../../src/kube/access-review.js';
import { argument, controller, object, objects, ofKind, type Rule } from './objects.js';

const READ = ['get', 'list', 'watch'];
const EVENTS = ['list', 'watch', 'create', 'update', 'patch'];

/** By the sidecars' own rules for the features that are on here, as `group/resource`. */
const NEEDED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'ClusterRole berth-driver': {
    'storage.k8s.io/volumeattachments': READ,
    '/persistentvolumes': READ,
    '/nodes': ['get'],
    'storage.k8s.io/csinodes': ['get'],
    'storage.k8s.io/csidrivers': ['get'],
    '/persistentvolumeclaims': ['get'],
    'storage.k8s.io/storageclasses': ['get'],
    '/pods': ['get', 'list'],
    'node.k8s.io/runtimeclasses': ['get'],
    '/events': ['list'],
    '/namespaces': ['get'],
    'snapshot.storage.k8s.io/volumesnapshotcontents': ['list'],
    'groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents': ['list'],
    'events.k8s.io/events': ['create', 'patch'],
  },
  'ClusterRole berth-provisioner': {
    '/persistentvolumes': [...READ, 'create', 'update', 'patch', 'delete'],
    '/persistentvolumeclaims': [...READ, 'update'],
    'storage.k8s.io/storageclasses': READ,
    'storage.k8s.io/csinodes': READ,
    'storage.k8s.io/volumeattachments': READ,
    '/nodes': READ,
    '/events': EVENTS,
  },
  'ClusterRole berth-attacher': {
    '/persistentvolumes': [...READ, 'patch'],
    'storage.k8s.io/csinodes': READ,
    'storage.k8s.io/volumeattachments': [...READ, 'patch'],
    'storage.k8s.io/volumeattachments/status': ['patch'],
  },
  'ClusterRole berth-resizer': {
    '/persistentvolumes': [...READ, 'patch'],
    '/persistentvolumeclaims': READ,
    '/persistentvolumeclaims/status': ['patch'],
    '/pods': READ,
    'storage.k8s.io/volumeattributesclasses': READ,
    '/events': EVENTS,
  },
  'ClusterRole berth-snapshotter': {
    'snapshot.storage.k8s.io/volumesnapshotclasses': READ,
    'snapshot.storage.k8s.io/volumesnapshotcontents': [...READ, 'update', 'patch'],
    'snapshot.storage.k8s.io/volumesnapshotcontents/status': ['update', 'patch'],
    'groupsnapshot.storage.k8s.io/volumegroupsnapshotclasses': READ,
    'groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents': [...READ, 'update', 'patch'],
    'groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents/status': ['update', 'patch'],
    '/events': EVENTS,
  },
  'Role berth-leader-election': { 'coordination.k8s.io/leases': [...READ, 'create', 'update', 'delete'] },
  'Role berth-secrets': { '/secrets': ['get', 'list'] },
  'ClusterRole berth-node': { '/pods': ['get'], '/namespaces': ['get'], 'node.k8s.io/runtimeclasses': ['get'] },
};

const roles = [...ofKind('ClusterRole'), ...ofKind('Role')];

const granted = (rules: readonly Rule[]): string[] =>
  rules
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((one) => verbs.map((verb) => `${verb} ${group}/${one}`))),
    )
    .toSorted();

describe('the rights of the accounts', () => {
  it.each([
    ['controller', 'ClusterRole berth-driver'],
    ['node', 'ClusterRole berth-node'],
  ] as const)('are what `berth doctor` asks for as the %s', (service, role) => {
    const asked = RIGHTS[service].flatMap(({ resource: { group, plural }, verbs }) =>
      verbs.map((verb) => `${verb} ${group}/${plural}`),
    );
    const needed = Object.entries(NEEDED[role]!).flatMap(([what, verbs]) => verbs.map((verb) => `${verb} ${what}`));
    expect(asked.toSorted()).toEqual(needed.toSorted());
  });

  it('are in these roles and no other', () => {
    expect(roles.map((one) => `${one.kind} ${one.metadata.name}`).toSorted()).toEqual(Object.keys(NEEDED).toSorted());
  });

  it.each(Object.keys(NEEDED))('are, by %s, what it needs', (key) => {
    const [kind = '', name = ''] = key.split(' ');
    const wanted = Object.entries(NEEDED[key]!).flatMap(([what, verbs]) => verbs.map((verb) => `${verb} ${what}`));
    expect(granted(object(kind, name).rules)).toEqual(wanted.toSorted());
  });

  it('show of namespaces the one by whose uid a cluster is known, to controller and node alike', () => {
    for (const name of ['berth-driver', 'berth-node']) {
      const rules = object('ClusterRole', name).rules.filter((one) => one.resources.includes('namespaces'));
      const only = { apiGroups: [''], resources: ['namespaces'], resourceNames: ['kube-system'], verbs: ['get'] };
      expect(rules).toEqual([only]);
    }
  });

  it('hold no wildcard', () => {
    expect(roles.filter((one) => JSON.stringify(one.rules).includes('*'))).toEqual([]);
  });

  it('are bound once each, to the controller’s account but for the node’s own role', () => {
    const bindings = objects.filter((one) => one.kind.endsWith('RoleBinding'));
    const bound = bindings.map(({ kind, roleRef, metadata }) => {
      expect(kind).toBe(`${roleRef.kind}Binding`);
      expect(roleRef.name).toBe(metadata.name);
      return `${roleRef.kind} ${roleRef.name}`;
    });
    expect(bound.toSorted()).toEqual(Object.keys(NEEDED).toSorted());
    for (const { subjects, roleRef } of bindings) {
      const name = roleRef.name === 'berth-node' ? 'berth-node' : 'berth-controller';
      expect(subjects).toEqual([{ kind: 'ServiceAccount', name, namespace: 'berth-system' }]);
    }
  });
});

describe('the sidecars that act on the API', () => {
  const acting = controller.containers.filter((one) => one.name.startsWith('csi-'));

  it('each elect a leader in the namespace where they may', () => {
    expect(acting.map((one) => one.name)).toEqual([
      'csi-provisioner',
      'csi-attacher',
      'csi-resizer',
      'csi-snapshotter',
    ]);
    for (const one of acting) {
      expect(one.args).toContain('--leader-election');
      expect(argument(one, 'leader-election-namespace')).toBe('berth-system');
    }
  });

  it('each answer for their leadership at a port of their own', () => {
    const ports = acting.map((one) => {
      const port = Number(argument(one, 'http-endpoint')?.replace(':', ''));
      expect(one.livenessProbe?.httpGet).toMatchObject({ path: '/healthz/leader-election', port });
      return port;
    });
    expect(new Set(ports).size).toBe(acting.length);
  });
});
