/** Where an HTTP server listens, as an option says it: `host:port`, `:port` for every address, `[::1]:9810`. */
import type { Server } from 'node:net';
import { berthError, type BerthError } from '../model/errors.js';

export interface HttpAddress {
  /** As it was given, for errors. */
  readonly text: string;
  /** Undefined for every address. */
  readonly host: string | undefined;
  readonly port: number;
}

/** @param option what the address was given as: `metrics-address`; BERTH_CONFIG_INVALID names it */
export function parseHttpAddress(option: string, text: string): HttpAddress {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([\da-fA-F:.]+)\]|([^[\]:]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535) throw addressError(option, text, 'it is not host:port');
  return { text, host: bracketed ?? (plain === '' ? undefined : plain), port: Number(port) };
}

/** BERTH_CONFIG_INVALID; it does not throw. */
export const addressError = (option: string, text: string, why: string): BerthError =>
  berthError('BERTH_CONFIG_INVALID', { file: `${option} ${text}`, why });

/** The port that is listened on; BERTH_CONFIG_INVALID where nobody can listen there. */
export async function listenAt(server: Server, option: string, { text, host, port }: HttpAddress): Promise<number> {
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(host === undefined ? { port } : { port, host }, resolve);
  });
  await listening.catch((error: unknown) => {
    throw addressError(option, text, (error as NodeJS.ErrnoException).code ?? String(error));
  });
  // A connection that cannot be accepted (no descriptor is left) is no reason to end a driver.
  server.on('error', () => undefined);
  const where = server.address();
  return typeof where === 'object' && where !== null ? where.port : 0;
}
