/**
 * What fencing and publishing are told of nodes and pods: gone is said only by an answer, and no answer is never a
 * guess.
 */
import { describe, expect, it } from 'vitest';
import { nodeStates } from '../../../src/kube/node-states.js';
import { runtimeClassOf } from '../../../src/kube/runtime-class.js';
import { Deadline } from '../../../src/model/deadline.js';
import { createLog } from '../../../src/observe/log.js';
import { apiFixture, NODES, PODS, RUNTIME_CLASSES, soon } from '../../kube/api-fixture.js';

const at = apiFixture();

describe('the state of a node', () => {
  const of = (name: string, deadline = soon()) => nodeStates(at.api, createLog('silent')).of(name, deadline);
  const node = (name: string, ready: string, taints: string[] = []) =>
    at.server.put(NODES, {
      metadata: { name },
      spec: { taints: taints.map((key) => ({ key, effect: 'NoExecute' })) },
      status: {
        nodeInfo: { bootID: 'boot-1' },
        conditions: [{ type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:00:00Z' }],
      },
    });

  it('has boot, readiness and the taint', async () => {
    node('a', 'True');
    node('b', 'Unknown', ['node.kubernetes.io/unreachable', 'node.kubernetes.io/out-of-service']);
    const same = { bootId: 'boot-1', outOfService: false, notReadySince: undefined };
    expect(await of('a')).toEqual({ ...same, ready: 'true' });
    const notReadySince = '2026-01-01T00:00:00Z';
    expect(await of('b')).toEqual({ ...same, ready: 'unknown', notReadySince, outOfService: true });
  });

  it('is seen at once when it changes', async () => {
    node('a', 'True');
    expect(await of('a')).toMatchObject({ outOfService: false });
    node('a', 'False', ['node.kubernetes.io/out-of-service']);
    expect(await of('a')).toMatchObject({ outOfService: true, ready: 'false' });
  });

  it('is absent only where the API said so', async () => {
    expect(await of('a')).toBe('absent');
    expect(await of('')).toBe('unknown');
    at.server.denied.add('get nodes');
    expect(await of('a')).toBe('unknown');
    at.server.denied.clear();
    at.server.tokens = new Set();
    expect(await of('a')).toBe('unknown');
    at.server.tokens = undefined;
    at.server.slowMs = 1_000;
    expect(await of('a', Deadline.after(100))).toBe('unknown');
    at.server.slowMs = 0;
    await at.server.stop();
    expect(await of('a', Deadline.after(100))).toBe('unknown');
  });
});

describe('the RuntimeClass of a pod', () => {
  const pod = { namespace: 'shop', name: 'db-0', uid: 'uid-of-db-0' };
  const started = (runtimeClassName?: string) =>
    at.server.put(PODS, { metadata: { name: 'db-0', namespace: 'shop' }, spec: { runtimeClassName } });
  const kata = (annotations: Record<string, string> = {}) =>
    at.server.put(RUNTIME_CLASSES, { metadata: { name: 'vm', annotations }, handler: 'kata-qemu' });

  it('is none for a pod without one, for one reading', async () => {
    started();
    expect(await runtimeClassOf(at.api)(pod)).toBe('none');
    expect(at.server.asked).toHaveLength(1);
  });

  it('has handler and annotation, for two readings, and the class is remembered for the next pod', async () => {
    started('vm');
    kata({ 'berth.dev/sandbox': 'host' });
    const of = runtimeClassOf(at.api);
    const answer = { name: 'vm', handler: 'kata-qemu', annotation: 'host' };
    expect(await of(pod)).toEqual(answer);
    expect(at.server.asked).toHaveLength(2);
    expect(await of(pod)).toEqual(answer);
    expect(at.server.asked).toHaveLength(3);
  });

  it('of another pod of that name, or of none, is not taken for the one that was asked for', async () => {
    started('vm');
    await expect(runtimeClassOf(at.api)({ ...pod, uid: 'older' })).rejects.toThrow(
      /BERTH_POD_CHANGED: pod shop\/db-0 was to have uid older, yet uid-of-db-0 was found/,
    );
    await expect(runtimeClassOf(at.api)({ ...pod, name: 'db-1' })).rejects.toThrow(/POD_CHANGED.*no pod/);
  });

  it('that cannot be read is an error: a virtual machine’s volume is not given to the host on a guess', async () => {
    started('vm');
    await expect(runtimeClassOf(at.api)(pod)).rejects.toThrow(
      /BERTH_KUBE_NOT_FOUND: Kubernetes has no RuntimeClass vm/,
    );
    kata();
    at.server.denied.add('get runtimeclasses');
    await expect(runtimeClassOf(at.api)(pod)).rejects.toThrow(
      /BERTH_KUBE_DENIED: the Kubernetes API does not allow get runtimeclasses.node.k8s.io/,
    );
  });
});
