/** The PersistentVolume of an image that is there already: what somebody applies by hand. */

export interface PersistentVolumeAsked {
  /** As the CSIDriver is called. */
  readonly driver: string;
  readonly volume: string;
  readonly sizeBytes: bigint;
  /** Of the PersistentVolume; what Kubernetes does not allow in a name becomes a dash. */
  readonly name: string;
  /** `namespace/name` of the claim that is to get it. */
  readonly claim: string | undefined;
  readonly accessMode: string;
  /** Undefined for a raw device. */
  readonly fsType: string | undefined;
}

export function persistentVolume(asked: PersistentVolumeAsked): object {
  const { driver, volume, sizeBytes, name, claim, accessMode, fsType } = asked;
  const [namespace, claimName] = claim?.split('/') ?? [];
  const claimRef =
    claimName === undefined
      ? undefined
      : { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claimName };
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: nameOf(name) },
    spec: {
      capacity: { storage: String(sizeBytes) },
      accessModes: [accessMode],
      volumeMode: fsType === undefined ? 'Block' : 'Filesystem',
      // It was there before Kubernetes knew of it, and is to be there afterwards.
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: '',
      claimRef,
      csi: { driver, volumeHandle: volume, fsType },
    },
  };
}

/** Kubernetes' names: lower case, digits, dash and dot. */
const nameOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '');
