/** Is the kubelet's root where the manifests will look for it? */
import path from 'node:path';
import type { Finding } from '../../model/finding.js';
import { isThere } from '../../host/is-there.js';

/** What a kubelet makes below its root when it starts, and the manifests mount. */
const MADE = ['plugins', 'plugins_registry', 'pods'];

/**
 * @param hostRoot the node's root directory, as this process sees it
 * @param kubelet undefined where there is none
 */
export async function checkKubeletRoot(hostRoot: string, kubelet: string | undefined): Promise<readonly Finding[]> {
  if (kubelet === undefined) return [];
  const there = await Promise.all(MADE.map(async (name) => isThere(path.join(hostRoot, kubelet, name))));
  const missing = MADE.filter((_, index) => there[index] === false);
  if (missing.length === 0) return [{ name: 'kubelet-root', level: 'ok', says: kubelet }];
  const todo = "the kubelet's --root-dir is elsewhere; give it as --kubelet-dir";
  const says = `${kubelet} has no ${missing.join(', ')}: ${todo}`;
  return [{ name: 'kubelet-root', level: 'failed', says }];
}
