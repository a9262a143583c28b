/** What Kubernetes knows of snapshots and groups, as the search for garbage asks it: listed anew. */
import type { KubeApi } from '../../kube/api.js';
import { listGroupContents, listSnapshotContents, type ApiContent } from '../../kube/snapshot-contents.js';
import type { Deadline } from '../../model/deadline.js';
import type { AskContents } from '../../volume/controller/garbage/known-contents.js';

interface Asked {
  readonly kube: { readonly api: KubeApi; readonly attachments: { readonly driver: string } } | undefined;
  readonly installation: { known(deadline: Deadline): Promise<string> };
}

/** Nothing watches them: they are asked for once an hour. Errors of the API, BERTH_INSTALLATION_UNKNOWN. */
export const askListedContents =
  ({ kube, installation }: Asked): AskContents =>
  async (kind, deadline) => {
    if (kube === undefined) return undefined;
    const list = kind === 'VolumeSnapshotContent' ? listSnapshotContents : listGroupContents;
    const all = await list(kube.api, kube.attachments.driver, deadline);
    const named = new Set(all.flatMap(({ handle }) => (handle === undefined ? [] : [inCeph(handle)])));
    const pending = new Set(all.filter(isPending).flatMap(({ volumes }) => volumes));
    return {
      installation: await installation.known(deadline),
      explains: (handle, volumes) => named.has(inCeph(handle)) || volumes.some((one) => pending.has(one)),
    };
  };

/** csi-snapshotter will tell its handle later, or never: any snapshot of its volumes may be the one. */
const isPending = ({ handle }: ApiContent): boolean => handle === undefined;

/** Of a handle what does not depend on what the clusters file calls the cluster: it may have been called otherwise. */
const inCeph = (handle: string): string => handle.slice(handle.lastIndexOf('/') + 1);
