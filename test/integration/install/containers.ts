/** A kubelet that runs the driver's container of a pod, by the pod's own words: files, arguments, variables, user. */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ApiServer } from '../../kube/api-server.js';
import type { Container, PodSpec, Volume } from '../../unit/deploy/objects.js';
import { MAIN, startIn, type Place } from './place.js';

const NAMESPACE = '/api/v1/namespaces/berth-system';

export interface Machine {
  readonly api: ApiServer;
  /** Below it lies what pods are shown. */
  readonly directory: string;
  /** The root of the one node. */
  readonly node: string;
  readonly nodeName: string;
  /** Of every pod's service account. */
  readonly account: { readonly token: string; readonly ca: string };
  readonly port: number;
}

export interface Running {
  readonly place: Place;
  readonly logFile: string;
  /** Of its socket, seen from outside. */
  readonly socket: string;
  readonly child: ChildProcess;
  /** How it ended: `exit code 0`, or the signal's name. */
  readonly ended: Promise<string>;
}

export function runDriver(machine: Machine, pod: string, spec: PodSpec): Running {
  const container = spec.containers.find(({ name }) => name === 'berth')!;
  const home = path.join(machine.directory, pod);
  const user = (container.securityContext['runAsUser'] ?? spec.securityContext?.['runAsUser']) as number;
  const shown: Record<string, string> = {};
  for (const { name, mountPath } of container.volumeMounts) {
    const volume = spec.volumes.find((one) => one.name === name)!;
    shown[mountPath] = sourceOf(machine, volume, path.join(home, name), user);
  }
  // The programs of this machine need its own devices, and nothing of its modules.
  for (const own of ['/dev', '/sys', '/lib/modules']) Reflect.deleteProperty(shown, own);
  if (spec.automountServiceAccountToken !== false)
    shown['/var/run/secrets/kubernetes.io/serviceaccount'] = accountOf(machine, path.join(home, 'account'), user);
  const env = environmentOf(machine, container);
  const isShared = container.volumeMounts.some(({ mountPropagation }) => mountPropagation === 'Bidirectional');
  const place: Place = { user: user === 0 ? 'root' : user, directory: '/', shown, env, isShared };
  const args = container.args.map((arg) => arg.replaceAll(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole));
  // A pod has a network of its own, and here all have one.
  const command = [process.execPath, MAIN, ...args.map((arg) => arg.replace(/^(--metrics-address=.*):\d+$/, '$1:0'))];
  const logFile = path.join(home, 'log');
  const log = openSync(logFile, 'a');
  try {
    const child = startIn(place, home, command, log);
    const ended = new Promise<string>((resolve) => {
      child.once('error', ({ message }) => resolve(message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
    });
    return { place, logFile, socket: path.join(shown['/csi']!, 'csi.sock'), child, ended };
  } finally {
    closeSync(log);
  }
}

function environmentOf(
  { api, nodeName, port }: Machine,
  { env = [], ...container }: Container,
): Record<string, string> {
  const data = (name: string): Record<string, string> =>
    (api.find(`${NAMESPACE}/configmaps`, name)?.['data'] ?? {}) as Record<string, string>;
  const told = env.map(({ name, valueFrom: { fieldRef, configMapKeyRef: map } }) => {
    const value = map === undefined ? { 'spec.nodeName': nodeName }[fieldRef!.fieldPath] : data(map.name)[map.key];
    return [name, value ?? ''] as const;
  });
  const settings = (container.envFrom ?? []).flatMap(({ configMapRef }) => Object.entries(data(configMapRef.name)));
  const service = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) };
  return { ...service, ...Object.fromEntries([...settings, ...told]) };
}

function sourceOf(machine: Machine, volume: Volume, directory: string, user: number): string {
  if (volume.name === 'api') return accountOf(machine, directory, user);
  const { hostPath } = volume;
  const at = hostPath === undefined ? directory : path.join(machine.node, hostPath.path);
  mkdirSync(at, { recursive: true });
  if (hostPath !== undefined) return at;
  project(machine, volume, at, user);
  chownSync(at, user, user);
  return at;
}

/** What ConfigMaps and Secrets say, as files. */
function project({ api }: Machine, { name, projected }: Volume, directory: string, user: number): void {
  for (const { configMap, secret } of projected?.sources ?? []) {
    const from = configMap === undefined ? 'secrets' : 'configmaps';
    const data = api.find(`${NAMESPACE}/${from}`, (configMap ?? secret)!.name)?.['data'];
    if (data === undefined && secret?.optional !== true) throw new Error(`${name}: ${from} lack what it names`);
    const texts = Object.entries((data ?? {}) as Record<string, string>);
    for (const { key, path: file } of secret?.items ?? texts.map(([one]) => ({ key: one, path: one }))) {
      const text = texts.find(([one]) => one === key)![1];
      writePrivate(path.join(directory, file), secret === undefined ? text : Buffer.from(text, 'base64'), user);
    }
  }
}

function accountOf({ account }: Machine, directory: string, user: number): string {
  writePrivate(path.join(directory, 'token'), account.token, user);
  writePrivate(path.join(directory, 'ca.crt'), account.ca, user);
  return directory;
}

/** 0440, of root and the pod's group, as `fsGroup` makes it. */
function writePrivate(file: string, text: string | Buffer, group: number): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  chownSync(file, 0, group);
  chmodSync(file, 0o440);
}
