/** What is done with each command of docs/install.md: run as it stands, or not run, for a reason. */

/** Sections whose commands are run, every one, in this order. */
export const RUN = [
  '2. Two users in Ceph',
  'The same by Helm',
  'The same by `berth manifests`',
  'Before anything is created',
  '3. Your site',
  '4. Apply and look',
  '5. A volume',
  'Upgrading',
  'Uninstalling',
] as const;

/** Sections whose commands are not run here, and why. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  '1. The image': 'there is no Docker engine; `npm run test:image` builds and runs the same Dockerfile',
  'For another architecture': 'it changes the kernel of the machine; an arm64 image was built and run by hand',
};

export type Way = 'kustomize' | 'helm' | 'manifests';

/** Of a section that has commands of all three ways: is it of this one? What is of none is done but once. */
export function isOf(way: Way, text: string): boolean {
  if (/^(sh chart\.sh|helm )/.test(text)) return way === 'helm';
  return text.startsWith('sh manifests.sh') ? way === 'manifests' : way === 'kustomize';
}

/** Is it for a node itself, by whoever is root there? */
export const isOnNode = (text: string): boolean => /^(flexvolume\/install\.sh|rm -rf \/var|ls \/run)/.test(text);

export interface Answer {
  /** Exit codes that are right; 0 alone where nothing is said. */
  readonly codes?: readonly number[];
  readonly says?: RegExp;
}

/** What is more than an exit code of 0, by the beginning of a command. */
export const ANSWERS: readonly (readonly [RegExp, Answer])[] = [
  // This machine's kernel has no rbd, and its clock is nobody's: the doctor says so.
  [/^docker run .*doctor --install/s, { codes: [0, 2], says: /kubernetes/i }],
  [/^kubectl debug /, { codes: [0, 1, 2], says: /rbd/ }],
  [/^kubectl -n berth-system exec .* berth doctor /, { codes: [0, 1, 2], says: /cluster main/ }],
  [/^kubectl apply -k /, { says: /deployment\.apps\/berth-controller (created|configured|unchanged)/ }],
  [/^kubectl -n berth-system get pods -o wide/, { says: /berth-controller-1[^]*berth-node-0/ }],
  [/^kubectl get csinode/, { says: /worker-7 +rbd\.csi\.berth\.dev/ }],
  [/^kubectl -n berth-system logs /, { says: /readiness/ }],
  [/^kubectl wait /, { says: /condition met\n[^]*2026/ }],
  [/^rbd -p \S+ ls && rbd /, { says: /berth\.dev\/[^]*berth-example/ }],
  [/^kubectl -n berth-system rollout status/, { says: /successfully rolled out/ }],
  [/^kubectl get storageclass \|/, { says: /berth-rbd +rbd\.csi\.berth\.dev/ }],
  // What is not there is what is wanted: grep finds nothing, rados nothing to remove.
  [
    /^kubectl get (pvc|pv|volumeattachments|volumesnapshotcontents) .*grep/s,
    { codes: [1], says: /^(No resources found\n)?$/ },
  ],
  [/^(for n in .*)?rados -p \S+ rm /s, { codes: [0, 1] }],
  [/^rados -p \S+ listomapvals berth\.fences/, { codes: [0, 1] }],
  [/^kubectl -n berth-system exec .* berth (garbage|undelete) /, { codes: [0] }],
];
