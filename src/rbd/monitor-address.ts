/** The monitors of the clusters file, written as `rbd -m` takes them, as places that can be connected to. */

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /**
   * Which messenger has to answer there; undefined for either, where the file names a port of its own and no version.
   */
  readonly messenger: 'v1' | 'v2' | undefined;
}

const PORTS = { v2: 3300, v1: 6789 } as const;

/**
 * All endpoints of one monitor: `10.0.0.1` is both messengers on their own ports,
 * `[v2:a:3300,v1:a:6789]` is what it says.
 */
export function endpointsOf(monitor: string): readonly Endpoint[] {
  const vector = /^\[((?:v1|v2|any):.*)\]$/.exec(monitor.trim())?.[1] ?? monitor.trim();
  return vector
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .flatMap(endpointsOfAddress);
}

export const endpointText = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

function endpointsOfAddress(address: string): readonly Endpoint[] {
  const [, version, rest = ''] = /^(?:(v1|v2|any):)?(.*?)(?:\/\d+)?$/.exec(address) ?? [];
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(rest) ?? [rest, undefined, rest];
  const host = bracketed ?? plain;
  const told = version === 'v1' || version === 'v2' ? version : undefined;
  if (port !== undefined) return [{ host, port: Number(port), messenger: told ?? messengerAt(Number(port)) }];
  const messengers: readonly (keyof typeof PORTS)[] = told === undefined ? ['v2', 'v1'] : [told];
  return messengers.map((messenger) => ({ host, messenger, port: PORTS[messenger] }));
}

const messengerAt = (port: number): Endpoint['messenger'] =>
  port === PORTS.v2 ? 'v2' : port === PORTS.v1 ? 'v1' : undefined;
