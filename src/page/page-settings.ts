/** What of the page's options goes together, checked before anything listens. */
import { addressError, parseHttpAddress, type HttpAddress } from '../observe/http-address.js';

export interface PageOptions {
  readonly pageTokenFile: string | undefined;
  readonly pageTlsCert: string | undefined;
  readonly pageTlsKey: string | undefined;
  readonly pageClientCa: string | undefined;
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Undefined where no client needs a certificate. */
  readonly clientCa: string | undefined;
}

export interface PageSettings {
  readonly at: HttpAddress;
  readonly tokenFile: string | undefined;
  /** Undefined for plain HTTP, which only this machine, or pod, can reach. */
  readonly tls: TlsFiles | undefined;
}

export const ADDRESS_OPTION = 'page-address';

/**
 * BERTH_CONFIG_INVALID for a page that nobody could open, that anybody could, or whose token would cross a network for
 * everybody to read.
 */
export function readPageSettings(address: string, options: PageOptions): PageSettings {
  const at = parseHttpAddress(ADDRESS_OPTION, address);
  const { pageTokenFile: tokenFile, pageTlsCert: cert, pageTlsKey: key, pageClientCa: clientCa } = options;
  const failure = (why: string): Error => addressError(ADDRESS_OPTION, address, why);
  if (tokenFile === undefined && clientCa === undefined)
    throw failure('nobody could open the page; give --page-token-file or --page-client-ca');
  if ((cert === undefined) !== (key === undefined))
    throw failure('a certificate and its key come together: --page-tls-cert and --page-tls-key');
  const tls = cert === undefined || key === undefined ? undefined : { cert, key, clientCa };
  if (tls === undefined && clientCa !== undefined)
    throw failure('certificates of clients need TLS; give --page-tls-cert and --page-tls-key');
  if (tls === undefined && !isLoopback(at.host))
    throw failure('without TLS it is served at 127.0.0.1 alone; give --page-tls-cert and --page-tls-key');
  return { at, tokenFile, tls };
}

const isLoopback = (host: string | undefined): boolean =>
  host !== undefined && (/^127(\.\d{1,3}){3}$/.test(host) || host === '::1' || host === 'localhost');
