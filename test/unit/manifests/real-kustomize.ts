/** The real kustomize: as part of kubectl, or by itself. */
import { spawnSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../src/manifests/kube-object.js';

/** The command and its first arguments; undefined where there is none that knows components. */
export function kustomizeProgram(): readonly string[] | undefined {
  const { status, stdout: version } = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' });
  if (status === 0 && /Kustomize Version: v([4-9]|\d\d)/.test(version)) return ['kubectl', 'kustomize'];
  return spawnSync('kustomize', ['version']).status === 0 ? ['kustomize', 'build'] : undefined;
}

/** Throws with what the program says. */
export function realKustomize([command = '', ...args]: readonly string[], directory: string): readonly KubeObject[] {
  const { status, stdout, stderr } = spawnSync(command, [...args, directory], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => document.toJS() as KubeObject);
}
