/** One request to the node agent over its unix socket: a JSON line there, a JSON line back. */
import { connect } from 'node:net';

export interface AgentRequest {
  readonly version: 1;
  readonly driver: string;
  readonly attach: boolean;
  readonly call: string;
  /** As the kubelet gave them, after the call-out's name. */
  readonly args: readonly string[];
  /** How long the agent may take, in ms. */
  readonly ms: number;
}

/** Nobody listens at the socket: the agent is down, or not installed. */
export class AgentDown extends Error {}

const LONGEST_ANSWER = 64 * 1024;

/** The agent's line. AgentDown where it cannot be reached, Error where it hangs up or takes longer than `ms`. */
export function ask(socket: string, request: AgentRequest, ms: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    let connected = false;
    const connection = connect(socket);
    const end = (finish: () => void): void => {
      clearTimeout(timer);
      connection.destroy();
      finish();
    };
    const timer = setTimeout(() => {
      end(() =>
        reject(new Error(`the node agent did not answer within ${ms / 1000} s; the next try joins what it does`)),
      );
    }, ms);
    connection.setEncoding('utf8');
    connection.once('connect', () => {
      connected = true;
      connection.write(`${JSON.stringify(request)}\n`);
    });
    connection.on('data', (part: string) => {
      text += part;
      const at = text.indexOf('\n');
      if (at >= 0) end(() => resolve(text.slice(0, at)));
      else if (text.length > LONGEST_ANSWER) end(() => reject(new Error('the node agent does not stop talking')));
    });
    connection.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code ?? error.message;
      end(() => reject(connected ? new Error(`the node agent hung up (${why})`) : new AgentDown(why)));
    });
    connection.once('close', () => {
      end(() => reject(new Error('the node agent ended before it answered')));
    });
  });
}
