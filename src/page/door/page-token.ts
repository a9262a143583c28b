/** The token that opens the page, from a file that is read again: a new one shuts out whoever has the old one. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { berthError } from '../../model/errors.js';
import { Secret } from '../../model/secret.js';

/** How old what was read may be, in ms. */
const FRESH_MS = 1_000;
/** Nobody guesses so much; a password that a person thinks up has less. */
const LEAST = 16;

export class PageToken {
  readonly #file: string;
  readonly #now: () => number;
  #kept: { readonly until: number; readonly token: Promise<Secret> } | undefined;

  /** @param now in ms, of a clock that never goes back */
  constructor(file: string, now = () => performance.now()) {
    this.#file = file;
    this.#now = now;
  }

  /** BERTH_CONFIG_INVALID where the file cannot be read or has no token of 16 printed characters or more. */
  current(): Promise<Secret> {
    if (this.#kept !== undefined && this.#now() < this.#kept.until) return this.#kept.token;
    const token = read(this.#file);
    this.#kept = { until: this.#now() + FRESH_MS, token };
    token.catch(() => undefined);
    return token;
  }
}

async function read(file: string): Promise<Secret> {
  const failure = (why: string): Error => berthError('BERTH_CONFIG_INVALID', { file: `page-token-file ${file}`, why });
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw failure((error as NodeJS.ErrnoException).code ?? 'it cannot be read');
  });
  const token = text.trim();
  if (token.length < LEAST || !/^[\x21-\x7e]+$/.test(token))
    throw failure(`it has no token of ${LEAST} or more printed characters without a space`);
  return new Secret(token);
}

/** Takes as long for any wrong text as for any other. */
export const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
