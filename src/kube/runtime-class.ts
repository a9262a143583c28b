/**
 * A pod's RuntimeClass, asked of the API when a volume is published:
 * one reading, and a second where the pod names a class.
 */
import { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import { SANDBOX_ANNOTATION, type PodRuntime, type RuntimeClass } from '../sandbox/choose-sandbox.js';
import type { Pod, RuntimeClassOf } from '../sandbox/pod.js';
import type { KubeApi } from './api.js';
import { PODS, RUNTIME_CLASSES, type KubePod, type KubeRuntimeClass } from './objects.js';

/** What both readings may take, in ms; the kubelet asks again. */
const ASK_MS = 10_000;
/** How long a class may be remembered, in ms: a node that starts again publishes for all its pods at once. */
const REMEMBER_MS = 30_000;

/** What of it bears on volumes. */
export const classOf = ({ metadata, handler = '' }: KubeRuntimeClass): RuntimeClass => ({
  name: metadata.name,
  handler,
  annotation: metadata.annotations?.[SANDBOX_ANNOTATION],
});

/**
 * Errors (BERTH_KUBE_UNREACHABLE, BERTH_KUBE_DENIED, DEADLINE …) are thrown, never taken for `unknown`: a volume of a
 * virtual machine would be mounted on the host because the API was away for a moment.
 */
export function runtimeClassOf(api: KubeApi): RuntimeClassOf {
  const known = new Map<string, { readonly until: number; readonly is: RuntimeClass }>();

  async function classNamed(name: string, deadline: Deadline): Promise<RuntimeClass> {
    const kept = known.get(name);
    if (kept !== undefined && performance.now() < kept.until) return kept.is;
    const found = await api.get<KubeRuntimeClass>(RUNTIME_CLASSES, name, deadline);
    // The kubelet could not start the pod either.
    if (found === undefined) throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'RuntimeClass', name });
    const is = classOf(found);
    known.set(name, { until: performance.now() + REMEMBER_MS, is });
    return is;
  }

  return async ({ namespace, name, uid }: Pod): Promise<PodRuntime> => {
    const deadline = Deadline.after(ASK_MS);
    const pod = await api.get<KubePod>(PODS, name, deadline, namespace);
    if (pod?.metadata.uid !== uid) {
      throw berthError('BERTH_POD_CHANGED', {
        pod: `${namespace}/${name}`,
        want: uid,
        have: pod?.metadata.uid ?? 'no pod',
      });
    }
    const { runtimeClassName = '' } = pod.spec ?? {};
    return runtimeClassName === '' ? 'none' : classNamed(runtimeClassName, deadline);
  };
}
