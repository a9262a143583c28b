/**
 * The files that a CSI tool and the driver need for a development cluster: clusters.yaml, parameters.yaml,
 * secrets.yaml, key files.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { CAP_SYS_RESOURCE, hasCapability } from '../host/process/confine/capability-set.js';
import type { FilesystemType } from '../model/capability.js';
import type { Cluster } from './ceph/cluster.js';
import type { CephUser } from './ceph/users.js';

export const CLUSTER_ID = 'dev';

/** The keys of csi-test's secrets file, by the user whose they are; a reader passes over those it does not know. */
const CONTROLLER_SECRETS = [
  'CreateVolumeSecret',
  'DeleteVolumeSecret',
  'ControllerPublishVolumeSecret',
  'ControllerUnpublishVolumeSecret',
  'ControllerValidateVolumeCapabilitiesSecret',
  'ControllerExpandVolumeSecret',
  'ControllerModifyVolumeSecret',
  'CreateSnapshotSecret',
  'DeleteSnapshotSecret',
  'ListSnapshotsSecret',
];
const NODE_SECRETS = ['NodeStageVolumeSecret', 'NodePublishVolumeSecret', 'NodeExpandVolumeSecret'];

export interface SettingsFiles {
  readonly clusters: string;
  readonly parameters: string;
  readonly secrets: string;
  readonly keys: string;
}

export const settingsFiles = (directory: string): SettingsFiles => ({
  clusters: path.join(directory, 'clusters.yaml'),
  parameters: path.join(directory, 'parameters.yaml'),
  secrets: path.join(directory, 'secrets.yaml'),
  keys: path.join(directory, 'keys'),
});

/** The filesystem that this process can grow while it is mounted; `status` is the text of /proc/self/status. */
export const growableFilesystem = (status: string): FilesystemType =>
  hasCapability(status, CAP_SYS_RESOURCE) ? 'ext4' : 'xfs';

const pairs = ({ id, key }: CephUser): { userID: string; userKey: string } => ({ userID: id, userKey: key.reveal() });

/**
 * In one piece: drivers of the same directory read these files while another one starts. A file's mode is given only
 * when it is made, and one that is there already may be open to everybody.
 */
async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await rm(draft, { force: true });
  await writeFile(draft, text, { mode, flag: 'wx' });
  await rename(draft, file);
}

const writePrivate = (file: string, text: string): Promise<void> => replaceFile(file, text, 0o600);
const writePublic = (file: string, text: string): Promise<void> => replaceFile(file, text, 0o644);

async function writeKey(file: string, user: CephUser): Promise<{ id: string; keyFile: string }> {
  await writePrivate(file, user.key.reveal());
  return { id: user.id, keyFile: file };
}

const toYaml = (value: unknown): string => stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });

/** What opens the first pool to pods of FlexVolume. */
export interface OpenToFlexVolume {
  readonly images: readonly string[];
  /** Whom guests of hyperd are shown. */
  readonly hyperd: CephUser;
}

/** Write them all, keys 0600, from what the cluster is now. */
export async function writeSettings(
  directory: string,
  cluster: Cluster,
  flexVolume?: OpenToFlexVolume,
): Promise<SettingsFiles> {
  const files = settingsFiles(directory);
  const { controller, node } = cluster.users;
  await mkdir(files.keys, { recursive: true, mode: 0o700 });
  const users = {
    controller: await writeKey(path.join(files.keys, 'controller'), controller),
    node: await writeKey(path.join(files.keys, 'node'), node),
    hyperd: flexVolume && (await writeKey(path.join(files.keys, 'hyperd'), flexVolume.hyperd)),
  };
  const pools = cluster.pools.map(({ name, namespaces }, index) => ({
    name,
    namespaces: ['', ...namespaces],
    flexVolume: index === 0 && flexVolume !== undefined ? { images: flexVolume.images } : undefined,
  }));
  const clusters = [{ id: CLUSTER_ID, monitors: cluster.monitors, pools, users }];
  const parameters = {
    clusterID: CLUSTER_ID,
    pool: cluster.pools[0]?.name,
    mounter: 'auto',
    // Not csi.storage.k8s.io/fstype: a tool that is no external-provisioner hands this file to CreateVolume as it is.
    fsType: growableFilesystem(await readFile('/proc/self/status', 'utf8')),
  };
  const secrets = Object.fromEntries([
    ...CONTROLLER_SECRETS.map((name) => [name, pairs(controller)] as const),
    ...NODE_SECRETS.map((name) => [name, pairs(node)] as const),
  ]);
  await writePublic(files.clusters, toYaml({ clusters }));
  await writePublic(files.parameters, toYaml(parameters));
  await writePrivate(files.secrets, toYaml(secrets));
  return files;
}
