/** Who may see the page: who shows the token, has logged in with it, or has a certificate of the named authority. */
import { isBerthError } from '../../model/errors.js';
import type { Secret } from '../../model/secret.js';
import type { Logger } from '../../observe/log.js';
import { isSame, type PageToken } from './page-token.js';
import { isSession, sessionCookie } from './session-cookie.js';
import type { WrongTokens } from './wrong-tokens.js';

export interface DoorParts {
  /** Undefined where only certificates open. */
  readonly token: Pick<PageToken, 'current'> | undefined;
  readonly wrong: WrongTokens;
  readonly isTls: boolean;
  readonly log: Logger;
  readonly now: () => Date;
}

/** What of a request says who asks. */
export interface Visitor {
  readonly address: string;
  /** A certificate of the authority that the options name. */
  readonly hasCertificate: boolean;
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}

/** `session`: by a cookie, which can be ended. */
export type Verdict =
  | { readonly by: 'certificate' | 'token' | 'session' }
  | { readonly by: 'nothing'; readonly status: 401 | 429 | 503; readonly says: string; readonly waitSeconds: number };

/** @returns the value of Set-Cookie where the token was right */
export type LoginVerdict = { readonly cookie: string } | Extract<Verdict, { by: 'nothing' }>;

export class Door {
  readonly #parts: DoorParts;
  /** Whether the log has said that the token file cannot be used. */
  #isTold = false;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  /** Whether somebody can log in with a token. */
  get takesTokens(): boolean {
    return this.#parts.token !== undefined;
  }

  async admit(visitor: Visitor): Promise<Verdict> {
    if (visitor.hasCertificate) return { by: 'certificate' };
    const { token, isTls, now } = this.#parts;
    if (token === undefined)
      return refused(401, 'Your browser has to show a certificate of the authority of this page.');
    const [, shown] = /^Bearer +(\S+) *$/i.exec(visitor.authorization ?? '') ?? [];
    if (shown !== undefined) {
      const verdict = await this.login(visitor, shown);
      return 'cookie' in verdict ? { by: 'token' } : verdict;
    }
    try {
      const right = await this.#current(token);
      const isKnown = isSession(visitor.cookie, right, isTls, now().getTime());
      return isKnown ? { by: 'session' } : refused(401, '');
    } catch (error) {
      return this.#withoutToken(error);
    }
  }

  /** A token that somebody shows. */
  async login({ address }: Visitor, shown: string): Promise<LoginVerdict> {
    const { token, wrong, isTls, now, log } = this.#parts;
    if (token === undefined) return refused(401, 'No token opens this page.');
    const waitSeconds = wrong.waitSeconds(address);
    // Not even looked at: else it could be told by whether a guess was right.
    if (waitSeconds > 0) return refused(429, `Too many wrong tokens; wait ${waitSeconds} seconds.`, waitSeconds);
    try {
      const right = await this.#current(token);
      if (isSame(right.reveal(), shown)) return { cookie: sessionCookie(right, isTls, now().getTime()) };
    } catch (error) {
      return this.#withoutToken(error);
    }
    if (wrong.add(address)) log.warn({ address }, 'somebody showed a wrong token to the page');
    return refused(401, 'That is not the token.');
  }

  async #current(token: Pick<PageToken, 'current'>): Promise<Secret> {
    const right = await token.current();
    this.#isTold = false;
    return right;
  }

  /** Told once, until there is a token again. */
  #withoutToken(error: unknown): Extract<Verdict, { by: 'nothing' }> {
    if (!isBerthError(error)) throw error;
    if (!this.#isTold) this.#parts.log.error({ err: error }, `nobody can open the page: ${error.message}`);
    this.#isTold = true;
    return refused(503, 'The token file of this page cannot be used; the log of the controller says why.');
  }
}

const refused = (status: 401 | 429 | 503, says: string, waitSeconds = 0): Extract<Verdict, { by: 'nothing' }> => ({
  by: 'nothing',
  status,
  says,
  waitSeconds,
});
