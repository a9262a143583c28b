/** What the kubelet reads: one JSON object on one line, in the spelling of Kubernetes' FlexVolume driver. */

export interface Capabilities {
  readonly attach: boolean;
  readonly fsGroup: boolean;
  readonly selinuxRelabel: boolean;
  readonly supportsMetrics: boolean;
  readonly requiresFSResize: boolean;
}

export interface Answer {
  readonly status: 'Success' | 'Failure' | 'Not supported';
  readonly message?: string;
  readonly device?: string;
  readonly attached?: boolean;
  readonly volumeNewSize?: number;
  readonly capabilities?: Capabilities;
}

/** The kubelet puts the message into an event of the pod, which takes 1024 characters. */
const LONGEST_MESSAGE = 1000;

export const success = (more: Omit<Answer, 'status' | 'message'> = {}): Answer => ({ status: 'Success', ...more });
export const failure = (message: string): Answer => ({ status: 'Failure', message });
export const NOT_SUPPORTED: Answer = { status: 'Not supported' };

/** Exactly one line: JSON.stringify leaves no line break in it. */
export function lineOf({ message, ...answer }: Answer): string {
  const short = message !== undefined && message.length > LONGEST_MESSAGE;
  const said = message === undefined ? {} : { message: short ? `${message.slice(0, LONGEST_MESSAGE)}...` : message };
  return `${JSON.stringify({ ...answer, ...said })}\n`;
}

/** The agent's own answer, as far as the kubelet knows its fields; undefined where it is none. */
export function parseAnswer(text: string): Answer | undefined {
  try {
    const value = JSON.parse(text) as Partial<Answer> | null;
    const known = ['Success', 'Failure', 'Not supported'];
    return typeof value === 'object' && known.includes(value?.status ?? '') ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}
