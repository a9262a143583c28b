/** The users of a device or directory as a sentence for an error. */

/** A process, and the pod and container that it belongs to where that could be told. */
export interface Owner {
  readonly pid: number;
  /** As the kernel keeps it: 15 characters at most. */
  readonly name: string;
  readonly pod?: string;
  readonly container?: string;
}

export interface UserMount {
  readonly target: string;
  /** Some process of the mount namespace that it is in, where that is not ours. */
  readonly within?: Owner;
}

export interface Users {
  readonly mounts: readonly UserMount[];
  /** Devices on top: `dm-0 (cryptroot)`, `loop7`. */
  readonly devicesOnTop: readonly string[];
  readonly processes: readonly Owner[];
  /** True where time was up before every process had been examined. */
  readonly cut: boolean;
}

/** Every container that was started meanwhile may have a copy of a mount: not all of them are named. */
const SHOWN = 5;
/** Ids are shown as their tools (crictl, docker) show and take them. */
const SHORT_ID = 12;
/** Virtual machine monitors by the names of their processes; Kata's own one runs inside its shim. */
const MONITORS = /^(qemu-|kvm|cloud-hyperviso|firecracker|crosvm|stratovirt|containerd-shim-kata)/;

/** Undefined where there is nobody. */
export function describeUsers(users: Users): string | undefined {
  const { mounts, devicesOnTop, processes, cut } = users;
  const parts = [
    ...(mounts.length > 0 ? [`mounted at ${some(mounts.map(mountText))}`] : []),
    ...(devicesOnTop.length > 0 ? [`held by ${some(devicesOnTop)}`] : []),
    ...(processes.length > 0 ? [`open in ${some(processes.map(ownerText))}`] : []),
  ];
  if (parts.length === 0) return undefined;
  return [...parts, ...(cut ? ['and perhaps others, there was no time to look at every process'] : [])].join('; ');
}

/** `qemu-system-x86 (pid 4711), a virtual machine of pod 6bd1...`. */
export function ownerText(owner: Owner): string {
  const { pid, name } = owner;
  const machine = MONITORS.test(name) ? ', a virtual machine' : '';
  const home = homeText(owner);
  return `${name} (pid ${pid})${machine}${home === '' ? '' : ` of ${home}`}`;
}

function homeText({ pod, container }: Owner): string {
  if (pod !== undefined) return `pod ${pod}`;
  return container === undefined ? '' : `container ${container.slice(0, SHORT_ID)}`;
}

const mountText = ({ target, within }: UserMount): string =>
  within === undefined ? target : `${target} in the mount namespace of ${ownerText(within)}`;

function some(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}
