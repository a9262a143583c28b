/** The pod that a volume is published for, and the port to whoever knows its RuntimeClass. */
import { berthError } from '../model/errors.js';
import type { PodRuntime } from './choose-sandbox.js';

/** As `podInfoOnMount` gives it. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * The pod's RuntimeClass. `uid` has to be that of the pod found: another pod of that name (a StatefulSet's next one) is
 * not the one that the volume is for (BERTH_POD_CHANGED). Errors mean that it could not be found out just now, which is
 * never `unknown`.
 */
export type RuntimeClassOf = (pod: Pod) => Promise<PodRuntime>;

/** Without Kubernetes. */
export const NO_RUNTIME_CLASSES: RuntimeClassOf = () => Promise.resolve('unknown');

/**
 * BERTH_POD_CHANGED where the target belongs to another pod than the one named.
 * @param ofTarget the pod's uid in the target path, undefined where it is no kubelet's path
 */
export function checkPod(pod: Pod | undefined, ofTarget: string | undefined): void {
  if (pod === undefined || ofTarget === undefined) return;
  // The directory of a static pod is named by a hash without dashes, which is not the uid that the API knows.
  if (!ofTarget.includes('-') || pod.uid === ofTarget) return;
  throw berthError('BERTH_POD_CHANGED', { pod: `${pod.namespace}/${pod.name}`, want: pod.uid, have: ofTarget });
}
