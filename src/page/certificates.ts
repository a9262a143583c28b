/** The page's certificate and the authority of its visitors, from files that are looked at again: they expire. */
import { constants } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { berthError } from '../model/errors.js';
import { Rounds } from '../model/rounds.js';
import type { Logger } from '../observe/log.js';
import type { TlsFiles } from './page-settings.js';

/** Between two looks, in ms. */
const EVERY_MS = 60_000;

/**
 * BERTH_CONFIG_INVALID where a file cannot be read, or they do not fit together. No session is resumed: its visitor's
 * certificate would not be checked again.
 */
export async function readCertificates({ cert, key, clientCa }: TlsFiles): Promise<SecureContextOptions> {
  const [certText, keyText, ca] = await Promise.all([
    read('page-tls-cert', cert),
    read('page-tls-key', key),
    clientCa === undefined ? undefined : read('page-client-ca', clientCa),
  ]);
  const context: SecureContextOptions = {
    cert: certText,
    key: keyText,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  const options = ca === undefined ? context : { ...context, ca };
  try {
    createSecureContext(options);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'they cannot be used';
    throw berthError('BERTH_CONFIG_INVALID', { file: `page-tls-cert ${cert}, page-tls-key ${key}`, why });
  }
  return options;
}

const read = (option: string, file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: unknown) => {
    const why = (error as NodeJS.ErrnoException).code ?? 'it cannot be read';
    throw berthError('BERTH_CONFIG_INVALID', { file: `${option} ${file}`, why });
  });

/** Tells `use` of others than those of before; one that cannot be used is logged, and the last good one stays. */
export function watchCertificates(
  files: TlsFiles,
  before: SecureContextOptions,
  use: (options: SecureContextOptions) => void,
  log: Logger,
): Rounds {
  let known = JSON.stringify(before);
  const round = async (): Promise<void> => {
    try {
      const next = await readCertificates(files);
      const text = JSON.stringify(next);
      if (text === known) return;
      use(next);
      known = text;
      log.info('the certificate of the page was renewed');
    } catch (error) {
      log.warn({ err: error }, 'the certificate of the page cannot be read again; the last good one stays in use');
    }
  };
  const rounds = new Rounds(round, { everyMs: EVERY_MS, stopMs: 1_000 });
  rounds.start();
  return rounds;
}
