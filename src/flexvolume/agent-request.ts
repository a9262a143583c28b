/** What the binary asks over the socket: one line of JSON, `flexvolume/agent.ts` has the other side. */
import { berthError } from '../model/errors.js';
import { parseJson } from '../model/parse-json.js';

export interface AgentRequest {
  readonly version: 1;
  /** `hyper/cephrbd`, as pod specs name it. */
  readonly driver: string;
  /** Kubernetes attaches the volume before it is mounted. */
  readonly attach: boolean;
  readonly call: string;
  readonly args: readonly string[];
  /** How long the answer may take, in ms. */
  readonly ms: number;
}

/** BERTH_FIELD_INVALID; the text is never quoted, for a pod's secret may be in it. */
export function parseAgentRequest(text: string): AgentRequest {
  const requestError = (why: string): Error => berthError('BERTH_FIELD_INVALID', { field: 'question', why });
  const value = parseJson(text);
  if (value === undefined) throw requestError('it is not JSON');
  const asked: Partial<Record<keyof AgentRequest, unknown>> | null = value;
  if (asked?.version !== 1) throw requestError('the binary is of another version; install the one of this Berth');
  const { driver, attach, call, args, ms } = asked;
  const isText = typeof driver === 'string' && typeof call === 'string';
  if (!isText || typeof attach !== 'boolean' || typeof ms !== 'number' || !(ms > 0))
    throw requestError('a field is missing');
  if (!Array.isArray(args) || !args.every((one) => typeof one === 'string')) throw requestError('args are no texts');
  return { version: 1, driver, attach, call, args: args, ms };
}
