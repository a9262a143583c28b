/**
 * What the installer left beside the binary: a dot-file, for the kubelet runs `init` again at any other change there.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface Settings {
  /** `hyper/cephrbd`, as pod specs name it: from the directory `hyper~cephrbd` that the binary lies in. */
  readonly driver: string;
  /** Of the node agent. */
  readonly socket: string;
  /** Whether Kubernetes attaches the volume before it is mounted. */
  readonly attach: boolean;
  /** How long a call may take, in ms: the kubelet has no limit of its own and lets a volume wait for ever. */
  readonly limitMs: number;
}

export const DEFAULT_SOCKET = '/var/lib/kubelet/plugins/rbd.csi.berth.dev/flexvolume.sock';
const DEFAULT_SECONDS = 110;

/**
 * @param program the binary's own path, `.../hyper~cephrbd/cephrbd`. Throws where the file is there and cannot be used.
 */
export function readSettings(program: string): Settings {
  const directory = path.dirname(program);
  const said = read(path.join(directory, `.${path.basename(program).replace(/[.](js|cjs)$/, '')}.json`));
  const seconds = said['timeoutSeconds'] ?? DEFAULT_SECONDS;
  const socket = said['socket'] ?? DEFAULT_SOCKET;
  if (typeof socket !== 'string' || !path.isAbsolute(socket)) throw new Error('its socket is not an absolute path');
  if (typeof seconds !== 'number' || !(seconds > 0)) throw new Error('its timeoutSeconds is not a number above 0');
  return {
    driver: path.basename(directory).replace('~', '/'),
    socket,
    attach: said['attach'] === true,
    limitMs: seconds * 1000,
  };
}

function read(file: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not an object');
  return value as Readonly<Record<string, unknown>>;
}
