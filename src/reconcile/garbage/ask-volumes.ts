/** What Kubernetes knows of volumes, as the search for garbage asks it: listed anew, or as watched. */
import type { Attachments } from '../../kube/volume-attachments.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { AskVolumes } from '../../volume/controller/garbage/known-volumes.js';

interface Asked {
  readonly kube: { readonly attachments: Attachments } | undefined;
  readonly installation: { known(deadline: Deadline): Promise<string> };
}

/** For a person at a terminal. Errors of the API, BERTH_INSTALLATION_UNKNOWN. */
export const askListedVolumes =
  ({ kube, installation }: Asked): AskVolumes =>
  async (deadline) => {
    if (kube === undefined) return undefined;
    const { attachments: api } = kube;
    const all = await api.listVolumes(deadline);
    const [handles, names] = [new Set(all.map((one) => one.handle)), new Set(all.map((one) => one.name))];
    return {
      installation: await installation.known(deadline),
      hasVolume: (handle, name) => handles.has(handle) || names.has(name),
      claim: (namespace, name, deadline) => api.claimNamed(namespace, name, deadline),
    };
  };

/** For a driver, whose watches are alive anyway. BERTH_KUBE_UNREACHABLE while they are not, and as above. */
export const askWatchedVolumes =
  ({ kube, installation }: Asked): AskVolumes =>
  async (deadline) => {
    if (kube === undefined) return undefined;
    const { attachments: api } = kube;
    if (!(await api.isFresh(deadline)))
      throw berthError('BERTH_KUBE_UNREACHABLE', { server: '(watched)', why: 'its watches are not alive' });
    return {
      installation: await installation.known(deadline),
      hasVolume: (handle, name) => api.volumeOf(handle) !== undefined || api.volumeNamed(name) !== undefined,
      claim: (namespace, name, deadline) => api.claimNamed(namespace, name, deadline),
    };
  };
