/**
 * How to reach the Kubernetes API: the service account of a pod, or a kubeconfig without programs in it; read anew as
 * files rotate.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { berthError } from '../model/errors.js';
import { Secret } from '../model/secret.js';

/** Where the kubelet mounts a pod's service account. */
export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The credentials of a call and the CA that it trusts, as they were just read. */
export interface Identity {
  readonly ca: string | undefined;
  readonly token: Secret | undefined;
  readonly cert: string | undefined;
  readonly key: Secret | undefined;
}

export interface KubeAccess {
  readonly server: URL;
  /** The name that the server's certificate must carry, where it is not the server's own. */
  readonly serverName: string | undefined;
  /** Read again at each call: tokens rotate every hour, certificates now and then. BERTH_CONFIG_INVALID. */
  identity(): Promise<Identity>;
}

/**
 * `auto`: the service account where one is mounted. `off`: no Kubernetes. Anything else is the path of a kubeconfig.
 */
export type KubernetesChoice = 'auto' | 'off' | (string & {});

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly serviceAccount: string;
}

/** Undefined where there is to be no Kubernetes. BERTH_CONFIG_INVALID for a kubeconfig that cannot be used. */
export async function accessFor(
  choice: KubernetesChoice,
  { env, serviceAccount }: Surroundings = { env: process.env, serviceAccount: SERVICE_ACCOUNT },
): Promise<KubeAccess | undefined> {
  if (choice === 'off') return undefined;
  if (choice !== 'auto') return kubeconfigAccess(choice);
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env;
  const token = path.join(serviceAccount, 'token');
  // Both: the variables are in every pod, the token only where somebody wants us to use it.
  if (host === '' || !existsSync(token)) return undefined;
  const server = new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`);
  const identity = async (): Promise<Identity> => ({
    ca: await text(path.join(serviceAccount, 'ca.crt')),
    token: new Secret((await text(token)).trim()),
    cert: undefined,
    key: undefined,
  });
  return { server, serverName: undefined, identity };
}

type Section = Readonly<Record<string, unknown>>;

async function kubeconfigAccess(file: string): Promise<KubeAccess> {
  const configError = (why: string): Error => berthError('BERTH_CONFIG_INVALID', { file, why });
  const config = section(parseYaml(await text(file), configError));
  const context = section(named(config, 'contexts', stringOf(config, 'current-context'), configError)['context']);
  const cluster = section(named(config, 'clusters', stringOf(context, 'cluster'), configError)['cluster']);
  const user = section(named(config, 'users', stringOf(context, 'user'), configError)['user']);
  for (const key of ['exec', 'auth-provider', 'username', 'password', 'as', 'impersonate']) {
    // A program from a file that names us as its user would run with the rights of a node plugin.
    if (user[key] !== undefined)
      throw configError(`users[].user.${key} is not supported; use a token or a client certificate`);
  }
  for (const key of ['insecure-skip-tls-verify', 'proxy-url']) {
    if (cluster[key] !== undefined && cluster[key] !== false)
      throw configError(`clusters[].cluster.${key} is not supported`);
  }
  const server = serverOf(stringOf(cluster, 'server'), configError);
  const value = (from: Section, key: string): Promise<string | undefined> =>
    inlineOrFile(from, key, path.dirname(file));
  const identity = async (): Promise<Identity> => {
    const [ca, cert, key] = await Promise.all([
      value(cluster, 'certificate-authority'),
      value(user, 'client-certificate'),
      value(user, 'client-key'),
    ]);
    const tokenFile = stringOf(user, 'tokenFile');
    const token =
      tokenFile === undefined ? stringOf(user, 'token') : await text(path.resolve(path.dirname(file), tokenFile));
    return { ca, cert, key: secretOf(key), token: secretOf(token?.trim()) };
  };
  if (server.protocol === 'http:' && !isLoopback(server) && (await identity()).token !== undefined) {
    throw configError('a token would leave this machine in the clear');
  }
  return { server, serverName: stringOf(cluster, 'tls-server-name'), identity };
}

function parseYaml(content: string, configError: (why: string) => Error): unknown {
  try {
    return parse(content) as unknown;
  } catch {
    throw configError('not YAML');
  }
}

const section = (value: unknown): Section => (typeof value === 'object' && value !== null ? (value as Section) : {});

function stringOf(from: Section, key: string): string | undefined {
  const value = from[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function named(config: Section, list: string, name: string | undefined, configError: (why: string) => Error): Section {
  const all = Array.isArray(config[list]) ? (config[list] as unknown[]).map(section) : [];
  const found = all.find((one) => one['name'] === name);
  if (name === undefined || found === undefined) throw configError(`no entry "${name ?? ''}" in ${list}`);
  return found;
}

function serverOf(url: string | undefined, configError: (why: string) => Error): URL {
  if (url === undefined || !/^https?:/.test(url) || !URL.canParse(url)) {
    throw configError('clusters[].cluster.server is no http(s) URL');
  }
  return new URL(url);
}

const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127\..*|\[::1\])$/.test(hostname);
const secretOf = (value: string | undefined): Secret | undefined =>
  value === undefined ? undefined : new Secret(value);

/** `key-data` in base64, or a file that `key` names, relative to the kubeconfig. */
async function inlineOrFile(from: Section, key: string, directory: string): Promise<string | undefined> {
  const data = stringOf(from, `${key}-data`);
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  const file = stringOf(from, key);
  return file === undefined ? undefined : text(path.resolve(directory, file));
}

const text = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: unknown) => {
    throw berthError(
      'BERTH_CONFIG_INVALID',
      { file, why: error instanceof Error ? error.message : 'unreadable' },
      error,
    );
  });
