/** The monitors of the clusters file, written as `rbd -m` takes them: what they say, and what is wrong with them. */
import { isIPv4, isIPv6 } from 'node:net';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /**
   * Which messenger has to answer there; undefined for either, where the file names a port of its own and no version.
   */
  readonly messenger: 'v1' | 'v2' | undefined;
}

/** An address as it is written: what is left open means both messengers, each at its own port. */
export interface MonitorAddress {
  readonly version: 'v1' | 'v2' | 'any' | undefined;
  readonly host: string;
  readonly port: number | undefined;
}

/** One monitor: a single address, or a vector of them (`[v2:a:3300,v1:a:6789]`). */
export interface Monitor {
  readonly addresses: readonly MonitorAddress[];
  readonly isVector: boolean;
}

const PORTS = { v2: 3300, v1: 6789 } as const;
const LAST_PORT = 65_535;
const VECTOR = /^\[((?:v1|v2|any):.*)\]$/;
/** RFC 1123, and the underscore that some name servers know. */
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/;

/** Why an entry of the file can be no monitor, or list of monitors; undefined where it can. */
export function whyNotMonitor(text: string): string | undefined {
  return piecesOf(text).map(parseMonitor).find(isReason);
}

/** Those of an entry that can be read. */
export const monitorsIn = (text: string): readonly Monitor[] =>
  piecesOf(text)
    .map(parseMonitor)
    .flatMap((one) => (isReason(one) ? [] : [one]));

/**
 * All endpoints of one entry: `10.0.0.1` is both messengers on their own ports, `[v2:a:3300,v1:a:6789]` is what it
 * says.
 */
export const endpointsOf = (text: string): readonly Endpoint[] =>
  monitorsIn(text).flatMap(({ addresses }) => addresses.flatMap(endpointsOfAddress));

export const endpointText = ({ host, port }: Endpoint): string => `${hostText(host)}:${port}`;

/** As `rbd -m` and `mon_host` take it. */
export function monitorText({ addresses, isVector }: Monitor): string {
  const texts = addresses.map(({ version, host, port }) => {
    const before = version === undefined ? '' : `${version}:`;
    return `${before}${hostText(host)}${port === undefined ? '' : `:${port}`}`;
  });
  return isVector ? `[${texts.join(',')}]` : texts.join(',');
}

const isReason = (parsed: unknown): parsed is string => typeof parsed === 'string';

const hostText = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** At commas, semicolons and blanks, as Ceph divides them, but not inside of brackets. */
function piecesOf(text: string): readonly string[] {
  const pieces = [''];
  let depth = 0;
  for (const letter of text.trim().replaceAll(/\s*([,;])\s*/g, '$1')) {
    if (letter === '[') depth += 1;
    if (letter === ']') depth -= 1;
    if (depth === 0 && /[,;\s]/.test(letter)) pieces.push('');
    else pieces.push((pieces.pop() ?? '') + letter);
  }
  return pieces;
}

/** A text says what is wrong with it. */
function parseMonitor(piece: string): Monitor | string {
  const vector = VECTOR.exec(piece)?.[1];
  if (vector === undefined) {
    const address = parseAddress(piece);
    return isReason(address) ? address : { addresses: [address], isVector: false };
  }
  const addresses = vector.split(',').map(parseAddress);
  const read = addresses.flatMap((one) => (isReason(one) ? [] : [one]));
  return addresses.find(isReason) ?? { addresses: read, isVector: true };
}

function parseAddress(text: string): MonitorAddress | string {
  const [, prefix, rest = ''] = /^(?:(v1|v2|any):)?(.*?)(?:\/\d+)?$/.exec(text) ?? [];
  const version = prefix as MonitorAddress['version'];
  if (rest === '') return 'an address is empty (a comma too many?)';
  if (isIPv6(rest)) return bareIPv6(rest, version);
  const [, bracketed, plain, digits] = /^(?:\[([^[\]]*)\]|([^:[\]]+))(?::([^:]*))?$/.exec(rest) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) return `"${text}" is no address; an IPv6 address stands in brackets`;
  const whyNotHost = bracketed === undefined ? whyNotPlainHost(host) : whyNotBracketed(host);
  if (whyNotHost !== undefined) return whyNotHost;
  if (digits === undefined) return { version, host, port: undefined };
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > LAST_PORT) return `"${digits}" is no port`;
  return { version, host, port };
}

const whyNotBracketed = (host: string): string | undefined =>
  isIPv6(host) ? undefined : `"${host}" is no IPv6 address`;

function whyNotPlainHost(host: string): string | undefined {
  const isName = HOST_NAME.test(host) && !/^[\d.]+$/.test(host);
  return isIPv4(host) || isName ? undefined : `"${host}" is neither an address nor a name`;
}

/** Ceph takes all of it for the address, and whoever wrote `fd00::1:3300` waits for one that is nowhere. */
function bareIPv6(text: string, version: MonitorAddress['version']): MonitorAddress | string {
  const [, address = '', port] = /^(.*):(3300|6789)$/.exec(text) ?? [];
  if (port === undefined) return { version, host: text, port: undefined };
  const before = address.endsWith(':') ? `${address}:` : address;
  return `"${text}" may or may not end with a port; write [${before}]:${port} or [${text}]`;
}

function endpointsOfAddress({ version, host, port }: MonitorAddress): readonly Endpoint[] {
  const told = version === 'v1' || version === 'v2' ? version : undefined;
  if (port !== undefined) return [{ host, port, messenger: told ?? messengerAt(port) }];
  const messengers: readonly (keyof typeof PORTS)[] = told === undefined ? ['v2', 'v1'] : [told];
  return messengers.map((messenger) => ({ host, messenger, port: PORTS[messenger] }));
}

const messengerAt = (port: number): Endpoint['messenger'] =>
  port === PORTS.v2 ? 'v2' : port === PORTS.v1 ? 'v1' : undefined;
