/** The part of the catalogue that is about the Kubernetes API: what it refuses, and when there is no answer. */
import { entry } from './catalogue-entry.js';

export const kubernetes = {
  BERTH_KUBE_OFF: entry(
    'FAILED_PRECONDITION',
    '{what} needs the Kubernetes API, and none is configured',
    'run it in a pod of deploy/kubernetes, or pass --kubernetes PATH-of-kubeconfig',
  ),
  BERTH_KUBE_DENIED: entry(
    'PERMISSION_DENIED',
    'the Kubernetes API does not allow {verb} {resource}: {why}',
    'grant it to the account that Berth runs as; deploy/kubernetes has the rules',
  ),
  BERTH_KUBE_UNAUTHENTICATED: entry(
    'UNAUTHENTICATED',
    'the Kubernetes API does not accept the credentials of Berth: {why}',
    'check the service account token or the kubeconfig',
  ),
  BERTH_KUBE_UNREACHABLE: entry(
    'UNAVAILABLE',
    'the Kubernetes API {server} gave no usable answer: {why}',
    'check API server and network; the call may be repeated',
  ),
  BERTH_KUBE_NOT_FOUND: entry('NOT_FOUND', 'Kubernetes has no {resource} {name}', 'check name and namespace'),
  BERTH_KUBE_UNSERVED: entry(
    'FAILED_PRECONDITION',
    'the Kubernetes API does not serve {resource} in {version}',
    'install the CRD that has it, or ignore this where nothing of that kind is used',
  ),
  BERTH_KUBE_CONFLICT: entry(
    'ABORTED',
    'somebody else changed {resource} meanwhile: {why}',
    'nothing was changed; look again, then try again',
  ),
  BERTH_KUBE_ERROR: entry('INTERNAL', '{verb} {resource} failed at the Kubernetes API: {why}', 'see the log'),
  BERTH_RELEASE_UNPROVEN: entry(
    'FAILED_PRECONDITION',
    'VolumeAttachment {name} is not released: {why}',
    'nothing was changed; see berth trace',
  ),
  BERTH_HOLDER_WANTED: entry(
    'FAILED_PRECONDITION',
    'node {node} is not taken out of the record of volume {volume}: {why}',
    'nothing was changed; whoever asks for the volume there has to give it up first',
  ),
  BERTH_HOLDER_UNPROVEN: entry(
    'FAILED_PRECONDITION',
    'node {node} is not taken out of the record of volume {volume}: {why} ({facts})',
    'nothing was changed; {todo}',
  ),
} as const;
