/** What each cluster asks of its clients, remembered: a thousand maps are one question to the monitors. */
import { Deadline } from '../../../model/deadline.js';
import { settledWithin } from '../../../model/time-limit.js';
import type { ClientDemands, ClusterAccess, RbdPort } from '../../port.js';
import { whyNotCluster } from './kernel-limits.js';

/** For a question that is asked for all who wait, ms. */
const ASK_MS = 5_000;
/** How long it holds that a cluster asks for nothing new, ms: by then maps know what an operator has changed. */
const HOLDS_MS = 600_000;
/** The same of any other answer, and of none, ms: it may be mended, and is asked for anew soon. */
const SHORT_MS = 10_000;

interface Asked {
  readonly at: number;
  readonly answer: Promise<ClientDemands | undefined>;
  /** Undefined until it is answered. */
  asksNothing?: boolean;
}

export class ClusterDemands {
  readonly #rbd: Pick<RbdPort, 'clientDemands'>;
  readonly #now: () => number;
  readonly #asked = new Map<string, Asked>();

  /** @param now in ms, of a clock that never goes back */
  constructor(rbd: Pick<RbdPort, 'clientDemands'>, now: () => number = () => performance.now()) {
    this.#rbd = rbd;
    this.#now = now;
  }

  /**
   * Undefined where the cluster did not say it in time: then nothing is known against a map. Never rejects.
   * @param holdsMs how old it may be that the cluster asks for nothing; Infinity asks an idle cluster no second time
   */
  async of(access: ClusterAccess, deadline: Deadline, holdsMs = HOLDS_MS): Promise<ClientDemands | undefined> {
    const key = JSON.stringify([access.cluster, access.monitors, access.user]);
    const known = this.#asked.get(key);
    const { answer } = known !== undefined && this.#holds(known, holdsMs) ? known : this.#ask(key, access);
    return (await settledWithin(answer, deadline.within(ASK_MS).remaining())) ? answer : undefined;
  }

  #holds({ at, asksNothing }: Asked, holdsMs: number): boolean {
    return asksNothing === undefined || this.#now() - at < (asksNothing ? holdsMs : SHORT_MS);
  }

  #ask(key: string, access: ClusterAccess): Asked {
    const answer = this.#rbd.clientDemands(access, Deadline.after(ASK_MS)).catch(() => undefined);
    const asked: Asked = { at: this.#now(), answer };
    this.#asked.set(key, asked);
    void answer.then((demands) => {
      asked.asksNothing = demands !== undefined && whyNotCluster(demands) === undefined;
    });
    return asked;
  }
}
