/** The demo's two nodes: node-one with the controller and, for virtual machines of hyperd, FlexVolume's door. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../host/process/exec.js';
import { Deadline } from '../../model/deadline.js';
import { adminOf } from '../ceph/admin.js';
import type { Cluster } from '../ceph/cluster.js';
import { layoutOf } from '../ceph/layout.js';
import { addUser, volumeCaps, type CephUser } from '../ceph/users.js';
import { writeSettings, type OpenToFlexVolume } from '../settings.js';
import type { DevSite } from '../site.js';
import { DemoNode } from './demo-node.js';
import { GUEST_IMAGE, type GuestStage } from './guest-stage.js';

const READY_MS = 30_000;
const SHOWN_TO_GUESTS = 'demo-guest';

export const secretsOf = ({ id, key }: CephUser): Record<string, string> => ({ userID: id, userKey: key.reveal() });

/** What an administrator does so that pods of hyperd may name the image. */
async function openToFlexVolume(cluster: Cluster, deadline: Deadline): Promise<OpenToFlexVolume> {
  const layout = layoutOf(cluster.directory);
  const user = { id: SHOWN_TO_GUESTS, caps: volumeCaps(cluster.pools.map(({ name }) => name)) };
  return { images: [GUEST_IMAGE], hyperd: await addUser(run, adminOf(run, layout), layout, user, deadline) };
}

/** A kubelet's root as a node has it: a shared mount with the directory of pods; it is unmounted with the site. */
async function makeKubeletRoot(root: string, deadline: Deadline): Promise<void> {
  for (const name of ['pods', 'plugins']) await mkdir(path.join(root, name), { recursive: true });
  await run('mount', ['--bind', root, root], { deadline });
  await run('mount', ['--make-shared', root], { deadline });
}

/** Both are ready; one that is not ends the other. BERTH_DRIVER_DIED, BERTH_COMMAND_FAILED, DEADLINE. */
export async function startNodes(
  site: DevSite,
  cluster: Cluster,
  stage: GuestStage | undefined,
): Promise<readonly [DemoNode, DemoNode]> {
  const deadline = Deadline.after(READY_MS);
  const flexVolume = stage && (await openToFlexVolume(cluster, deadline));
  const { clusters } = await writeSettings(site.directory, cluster, flexVolume);
  await mkdir(site.state, { recursive: true });
  const common = { directory: site.state, clustersFile: clusters, secrets: secretsOf(cluster.users.node) };
  const options: string[] = [];
  if (stage !== undefined) {
    const { kubelet, flexSocket } = stage.options;
    await makeKubeletRoot(kubelet, deadline);
    options.push('--flexvolume-endpoint', `unix://${flexSocket}`, '--kubelet-dir', kubelet);
  }
  const started = await Promise.allSettled([
    DemoNode.start({ ...common, name: 'node-one', services: ['identity', 'controller', 'node'], options }, deadline),
    DemoNode.start({ ...common, name: 'node-two', services: ['identity', 'node'] }, deadline),
  ]);
  const [one, two] = started;
  if (one.status === 'fulfilled' && two.status === 'fulfilled') return [one.value, two.value];
  for (const node of started) if (node.status === 'fulfilled') await node.value.stop();
  throw new AggregateError(started.flatMap((node) => (node.status === 'rejected' ? [node.reason as unknown] : [])));
}
