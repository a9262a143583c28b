/** What an API server says of itself: its version, and which groups it serves. */
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { KubeApi } from '../../kube/api.js';

export interface ServerVersion {
  readonly major: number;
  readonly minor: number;
  /** As the server says it: `v1.34.1+k3s1`. */
  readonly text: string;
}

/** BERTH_KUBE_ERROR for an answer that is no version. */
export async function serverVersion(api: Pick<KubeApi, 'about'>, deadline: Deadline): Promise<ServerVersion> {
  const { body } = await api.about('/version', deadline);
  const { gitVersion } = (body ?? {}) as { readonly gitVersion?: unknown };
  const text = typeof gitVersion === 'string' ? gitVersion : '';
  const [, major, minor] = /^v?(\d+)[.](\d+)/.exec(text) ?? [];
  if (minor === undefined) throw factError('version', 'the answer is no version');
  return { major: Number(major), minor: Number(minor), text };
}

/** Does the server have this version of an API group (a CRD's, too)? */
export async function servesGroup(
  api: Pick<KubeApi, 'about'>,
  group: string,
  version: string,
  deadline: Deadline,
): Promise<boolean> {
  const { status } = await api.about(`/apis/${group}/${version}`, deadline);
  if (status === 404) return false;
  if (status === 200) return true;
  throw factError(`${group}/${version}`, `HTTP ${status}`);
}

const factError = (resource: string, why: string): Error =>
  berthError('BERTH_KUBE_ERROR', { verb: 'get', resource, why });
