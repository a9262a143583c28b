/**
 * The argument lists of real kubelets: spelled as pkg/volume/flexvolume of each release builds them, in the order in
 * which it calls.
 */

export interface KubeletPod {
  readonly root: string;
  /** As in the pod's own directory: `hyper~cephrbd`. */
  readonly driver: string;
  readonly uid: string;
  /** The volume's name in the pod, or the PersistentVolume's. */
  readonly volume: string;
  readonly node: string;
  /** `flexVolume.options` of the pod. */
  readonly options: Readonly<Record<string, string>>;
  readonly fsType?: string;
  readonly readOnly?: boolean;
  readonly secret?: Readonly<Record<string, string>>;
  /** `securityContext.fsGroup`. */
  readonly group?: string;
}

export type KubeletVersion = '1.11' | '1.20';

export const podDirectory = ({ root, driver, uid, volume }: KubeletPod): string =>
  `${root}/pods/${uid}/volumes/${driver}/${volume}`;
export const deviceDirectory = ({ root, driver, volume }: KubeletPod): string =>
  `${root}/plugins/kubernetes.io/flexvolume/${driver.replace('~', '/')}/mounts/${volume}`;

/** Go marshals a map with its keys sorted. */
const json = (options: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.fromEntries(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))));

const always = ({ options, fsType = 'ext4', readOnly = false, volume }: KubeletPod): Record<string, string> => ({
  'kubernetes.io/fsType': fsType,
  'kubernetes.io/pvOrVolumeName': volume,
  'kubernetes.io/readwrite': readOnly ? 'ro' : 'rw',
  ...options,
});

/** What attach, waitforattach, mountdevice and the like get: no pod, no secrets. */
export const specJson = (pod: KubeletPod): string => json(always(pod));

export function mountJson(pod: KubeletPod, version: KubeletVersion): string {
  const { secret = {}, group } = pod;
  const encoded = Object.entries(secret).map(([key, value]): [string, string] => [
    `kubernetes.io/secret/${key}`,
    Buffer.from(value).toString('base64'),
  ]);
  // Renamed in 1.15.
  const groupKey = version === '1.11' ? 'kubernetes.io/fsGroup' : 'kubernetes.io/mounterArgs.FsGroup';
  return json({
    ...always(pod),
    'kubernetes.io/pod.name': `pod-${pod.uid.slice(0, 8)}`,
    'kubernetes.io/pod.namespace': 'default',
    'kubernetes.io/pod.uid': pod.uid,
    'kubernetes.io/serviceAccount.name': 'default',
    ...(group === undefined ? {} : { [groupKey]: group }),
    ...Object.fromEntries(encoded),
  });
}

export type Argv = readonly string[];

/** A pod comes, where the driver says `attach: false`. */
export const comes = (pod: KubeletPod, version: KubeletVersion): readonly Argv[] => [
  ['init'],
  // 1.11 asks for the name each time and forgets the answer; 1.20 remembers that it is not supported.
  ...(version === '1.11' ? [['getvolumename', specJson(pod)]] : []),
  ['mount', podDirectory(pod), mountJson(pod, version)],
];
export const goes = (pod: KubeletPod): readonly Argv[] => [['unmount', podDirectory(pod)]];

/** A pod comes, where the driver says `attach: true`; the controller manager or the kubelet attaches. */
export const comesAttached = (pod: KubeletPod, device: string, version: KubeletVersion): readonly Argv[] => [
  ['init'],
  ['getvolumename', specJson(pod)],
  ['attach', specJson(pod), pod.node],
  ['isattached', specJson(pod), pod.node],
  ['waitforattach', device, specJson(pod)],
  ['mountdevice', deviceDirectory(pod), device, specJson(pod)],
  ['mount', podDirectory(pod), mountJson(pod, version)],
];
export const goesAttached = (pod: KubeletPod): readonly Argv[] => [
  ['unmount', podDirectory(pod)],
  ['unmountdevice', deviceDirectory(pod)],
  // The name, not the device, whatever the documentation says.
  ['detach', pod.volume, pod.node],
];
