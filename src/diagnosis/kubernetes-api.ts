/** Does the Kubernetes API answer, and may this account ask it for what its service needs? */
import type { Deadline } from '../model/deadline.js';
import type { Finding } from '../model/finding.js';
import { messageOf } from './message-of.js';

/** With which account it is asked. */
export type Service = 'controller' | 'node';

/** The API as an option and this process's surroundings name it. */
export interface KubernetesSeen {
  /** Where it is; undefined where none is to be asked. */
  readonly server: string | undefined;
  /** What `--kubernetes` says. */
  readonly choice: string;
  /** Why what it names cannot be used; undefined where it can. */
  readonly fault: Error | undefined;
  /** A pod without a service account: `auto` finds nothing, and asks nobody. */
  readonly isPodWithoutAccount: boolean;
  /** `verb resource` of each right that is missing. Errors of the API. */
  readonly rightsMissing: (services: readonly Service[], deadline: Deadline) => Promise<readonly string[]>;
}

const NAME = 'kubernetes';

export async function checkKubernetes(
  { server, choice, fault, isPodWithoutAccount, rightsMissing }: KubernetesSeen,
  services: readonly Service[],
  deadline: Deadline,
): Promise<Finding> {
  const finding = (level: Finding['level'], says: string): Finding => ({ name: NAME, level, says });
  if (fault !== undefined) return finding('failed', messageOf(fault));
  if (isPodWithoutAccount) {
    const todo = 'set automountServiceAccountToken, or say --kubernetes off if that is meant';
    return finding('warning', `this is a pod without a service account, so no API is asked; ${todo}`);
  }
  if (server === undefined) {
    const why = choice === 'off' ? 'switched off' : 'this is no pod, and --kubernetes names no kubeconfig';
    return finding('ok', `not asked: ${why}`);
  }
  try {
    const missing = await rightsMissing(services, deadline);
    if (missing.length === 0) return finding('ok', `${server} answers, and allows what is needed`);
    const todo = 'deploy/kubernetes has the rules';
    return finding('failed', `${server} answers, and this account may not ${missing.join(', ')}; ${todo}`);
  } catch (error) {
    return finding('failed', messageOf(error));
  }
}
