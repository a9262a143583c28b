/** Which Kubernetes is this, which sidecars serve it, and is something in the way of the installation? */
import type { KubeApi } from '../../kube/api.js';
import { CSI_DRIVERS, NAMESPACES, type KubeCsiDriver, type KubeLabelled } from '../../kube/objects.js';
import { servesGroup, serverVersion } from './server-facts.js';
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import { messageOf } from '../message-of.js';

/** The oldest that the manifests serve, and the first that csi-provisioner 6 and csi-resizer 2 serve. */
const OLDEST_MINOR = 26;
const NEWEST_SIDECARS_MINOR = 34;
const NAMESPACE = 'berth-system';
const LABEL = 'pod-security.kubernetes.io/enforce';

export type InstallApi = Pick<KubeApi, 'get' | 'about'>;

export async function checkKubernetesForInstall(
  api: InstallApi | undefined,
  driver: string,
  deadline: Deadline,
): Promise<readonly Finding[]> {
  if (api === undefined) {
    return [
      { name: 'kubernetes-version', level: 'warning', says: 'it was not asked; give --kubernetes PATH-of-kubeconfig' },
    ];
  }
  const checks: Readonly<Record<string, () => Promise<Finding>>> = {
    'kubernetes-version': () => checkVersion(api, deadline),
    'snapshot-crds': () => checkSnapshots(api, deadline),
    'csi-driver': () => checkDriver(api, driver, deadline),
    namespace: () => checkNamespace(api, deadline),
  };
  return Promise.all(
    Object.entries(checks).map(([name, check]) =>
      check().catch((error: unknown): Finding => ({ name, level: 'warning', says: messageOf(error) })),
    ),
  );
}

async function checkVersion(api: InstallApi, deadline: Deadline): Promise<Finding> {
  const name = 'kubernetes-version';
  const { major, minor, text } = await serverVersion(api, deadline);
  if (major === 1 && minor < OLDEST_MINOR)
    return { name, level: 'failed', says: `${text} is older than 1.${OLDEST_MINOR}, from which on Berth is served` };
  if (major === 1 && minor < NEWEST_SIDECARS_MINOR) {
    const says = `${text} needs the older sidecars: the component older-kubernetes, or --set olderKubernetes=true`;
    return { name, level: 'warning', says };
  }
  return { name, level: 'ok', says: `${text}, served by the sidecars of today` };
}

async function checkSnapshots(api: InstallApi, deadline: Deadline): Promise<Finding> {
  const name = 'snapshot-crds';
  if (await servesGroup(api, 'snapshot.storage.k8s.io', 'v1', deadline))
    return { name, level: 'ok', says: 'they are there' };
  const says = 'snapshot.storage.k8s.io/v1 is not served: no snapshots until its CRDs are there (docs/snapshots.md)';
  return { name, level: 'warning', says };
}

/** `attachRequired` cannot be changed later. */
async function checkDriver(api: InstallApi, driver: string, deadline: Deadline): Promise<Finding> {
  const name = 'csi-driver';
  const found = await api.get<KubeCsiDriver>(CSI_DRIVERS, driver, deadline);
  if (found === undefined) return { name, level: 'ok', says: `${driver} is not taken` };
  if (found.spec?.attachRequired === false) {
    const says = `CSIDriver ${driver} says attachRequired: false, which cannot be changed: delete it first`;
    return { name, level: 'failed', says };
  }
  return { name, level: 'ok', says: `${driver} is there already, and fits` };
}

async function checkNamespace(api: InstallApi, deadline: Deadline): Promise<Finding> {
  const name = 'namespace';
  const found = await api.get<KubeLabelled>(NAMESPACES, NAMESPACE, deadline);
  if (found === undefined) return { name, level: 'ok', says: `${NAMESPACE} is not there yet` };
  const level = found.metadata.labels?.[LABEL];
  if (level === undefined || level === 'privileged') return { name, level: 'ok', says: `${NAMESPACE} is there` };
  const says = `${NAMESPACE} enforces ${level} pods, and the node plugin is privileged: label it ${LABEL}=privileged`;
  return { name, level: 'failed', says };
}
