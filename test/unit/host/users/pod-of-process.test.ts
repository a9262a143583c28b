/** Which pod a process is of, by cgroup files and mount tables as runtimes of all kinds write them. */
import { describe, expect, it } from 'vitest';
import { parseMountinfo } from '../../../../src/host/mount/mountinfo.js';
import { homeOfCgroup, podOfMounts, podOfPath } from '../../../../src/host/users/pod-of-process.js';

const POD = '6bd1c7a2-0f2e-4f7b-9d53-3c8a51f0e7aa';
const UNDERSCORED = POD.replaceAll('-', '_');
const STATIC = '0123456789abcdef0123456789abcdef';
const ID = '3f4c0d5e'.repeat(8);
const BURSTABLE = '/kubepods.slice/kubepods-burstable.slice';
const BEST_EFFORT = '/kubepods.slice/kubepods-besteffort.slice';
const IN_CONTAINER = '/kubelet.slice/kubelet-kubepods.slice';

describe('homeOfCgroup', () => {
  it.each<[string, string]>([
    [
      'v2, systemd driver, containerd',
      `0::${BURSTABLE}/kubepods-burstable-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    ],
    [
      'v2, systemd driver, CRI-O',
      `0::${BEST_EFFORT}/kubepods-besteffort-pod${UNDERSCORED}.slice/crio-${ID}.scope/container`,
    ],
    [
      'v2, systemd driver, guaranteed',
      `0::/kubepods.slice/kubepods-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    ],
    ['v2, cgroupfs driver', `0::/kubepods/burstable/pod${POD}/${ID}`],
    ['v2, cgroupfs driver, guaranteed', `0::/kubepods/pod${POD}/${ID}`],
    [
      'v2, seen from inside of another pod´s cgroup namespace',
      `0::/../../kubepods-burstable-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    ],
    [
      'v2, a kubelet in a container',
      `0::${IN_CONTAINER}/kubelet-kubepods-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    ],
    [
      'v2, a systemd pod whose runtime uses the cgroupfs driver',
      `0::/system.slice/containerd.service/kubepods-burstable-pod${UNDERSCORED}.slice:cri-containerd:${ID}`,
    ],
    [
      'v1, systemd driver, Docker',
      `11:memory:${BURSTABLE}/kubepods-burstable-pod${UNDERSCORED}.slice/docker-${ID}.scope`,
    ],
    ['v1, cgroupfs driver', `12:cpu,cpuacct:/kubepods/besteffort/pod${POD}/${ID}`],
    ['v1, cgroupfs driver, a Kata sandbox', `4:memory:/kubepods/burstable/pod${POD}/kata_${ID}`],
  ])('%s', (_, line) => {
    expect(homeOfCgroup(`${line}\n`)).toEqual({ pod: POD, container: ID });
  });

  it('of a hybrid node, where only some hierarchies know of pods', () => {
    const lines = ['1:name=systemd:/', `9:pids:/kubepods/pod${POD}/${ID}`, '0::/system.slice/containerd.service'];
    expect(homeOfCgroup(lines.join('\n'))).toEqual({ pod: POD, container: ID });
  });

  it('of a static pod, whose uid is a hash', () => {
    const line = `0::${BURSTABLE}/kubepods-burstable-pod${STATIC}.slice/cri-containerd-${ID}.scope`;
    expect(homeOfCgroup(line)).toEqual({ pod: STATIC, container: ID });
  });

  it('of the pod itself, without a container', () => {
    expect(homeOfCgroup(`0::/kubepods/burstable/pod${POD}`)).toEqual({ pod: POD });
  });

  it.each<[string, string]>([
    ['Docker, systemd driver', `0::/system.slice/docker-${ID}.scope`],
    ['Docker, cgroupfs driver', `3:devices:/docker/${ID}`],
    ['Podman', `0::/machine.slice/libpod-${ID}.scope/container`],
    ['Kata´s overhead outside of the pod', `0::/kata_overhead/${ID}`],
  ])('of a container without a pod: %s', (_, line) => {
    expect(homeOfCgroup(line)).toEqual({ container: ID });
  });

  it.each([
    '0::/',
    '',
    '0::/system.slice/ceph-osd@0.service',
    '0::/user.slice/user-1000.slice/session-3.scope',
    '0::/kubepods.slice/kubepods-burstable.slice',
    `0::/system.slice/podman-${POD}.service`,
    '0::/kubepods/podinfo/x',
  ])('of none: "%s"', (line) => {
    expect(homeOfCgroup(line)).toEqual({});
  });
});

describe('podOfPath', () => {
  it.each<[string, string | undefined]>([
    [`/var/lib/kubelet/pods/${POD}/volumes/kubernetes.io~csi/pvc-1/mount`, POD],
    [`/pods/${STATIC}/etc-hosts`, STATIC],
    [`/var/lib/k3s/pods/${POD}`, POD],
    ['/var/lib/kubelet/plugins/kubernetes.io/csi/rbd/globalmount', undefined],
    [`/var/lib/kubelet/pods/${POD}x/volumes`, undefined],
  ])('%s', (path, pod) => {
    expect(podOfPath(path)).toBe(pod);
  });
});

describe('podOfMounts', () => {
  const table = (...pods: string[]) =>
    parseMountinfo(
      [
        '700 600 0:52 / / rw - overlay overlay rw',
        ...pods.map(
          (pod, n) => `${701 + n} 700 8:1 /var/lib/kubelet/pods/${pod}/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw`,
        ),
      ].join('\n'),
    );

  it('is the pod whose files a container got', () => {
    expect(podOfMounts(table(POD, POD))).toBe(POD);
  });

  it('is none where they are of several, or of nobody', () => {
    expect(podOfMounts(table(POD, POD.replace('6', '7')))).toBeUndefined();
    expect(podOfMounts(table())).toBeUndefined();
  });
});
