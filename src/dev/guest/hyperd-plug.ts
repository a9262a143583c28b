/**
 * What frakti, hyperd and runv make of the hand-off file: the two commands by which a running QEMU gets the image (runv
 * hypervisor/qemu).
 */

interface Volume {
  readonly source: string;
  readonly fsType: string;
  readonly user: string;
  readonly key: string;
  readonly monitors: readonly string[];
}

/** As frakti decodes it (pkg/hyper/container.go): these members, all of them, and nothing else is looked at. */
export function readTag(text: string): Volume {
  const { cephRBDOptsData: data } = JSON.parse(text) as { cephRBDOptsData: Readonly<Record<string, unknown>> };
  const get = (name: string): string => {
    const value = data[name];
    if (typeof value !== 'string' || value === '') throw new Error(`${name} is missing`);
    return value;
  };
  const { monitors } = data;
  if (!Array.isArray(monitors) || monitors.length === 0) throw new Error('monitors are missing');
  return {
    source: `rbd:${get('pool')}/${get('volumeID')}`,
    ...{ fsType: get('fsType'), user: get('user'), key: get('keyring'), monitors: monitors as string[] },
  };
}

/** Joined with semicolons, only the colons of monitors escaped. */
const fileOf = ({ source, user, key, monitors }: Volume): string =>
  `${source}:id=${user}:key=${key}:mon_host=${monitors.map((one) => one.replaceAll(':', '\\:')).join(';')}`;

export interface Plug {
  /** For QMP's human-monitor-command. */
  readonly driveAdd: string;
  /** Arguments of QMP's device_add. */
  readonly deviceAdd: Readonly<Record<string, unknown>>;
  readonly fsType: string;
}

export function plugOf(text: string, id = 0): Plug {
  const volume = readTag(text);
  return {
    driveAdd: `drive_add dummy file=${fileOf(volume)},if=none,id=drive${id},format=rbd,cache=writeback`,
    deviceAdd: { driver: 'scsi-hd', bus: 'scsi0.0', 'scsi-id': id, drive: `drive${id}`, id: `scsi-disk${id}` },
    fsType: volume.fsType,
  };
}
