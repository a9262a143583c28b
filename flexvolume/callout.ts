/** A call-out of the kubelet: what the binary can say by itself, and what it asks the node agent. */
import { readlink } from 'node:fs/promises';
import { AgentDown, ask, type AgentRequest } from './agent.js';
import { type Answer, failure, NOT_SUPPORTED, parseAnswer, success } from './answer.js';
import type { Settings } from './settings.js';

/** Arguments after the call-out's name, as kubelets since 1.8 give them. */
const CALLS: Readonly<Record<string, number>> = {
  init: 0,
  attach: 2,
  detach: 2,
  waitforattach: 2,
  isattached: 2,
  mountdevice: 3,
  unmountdevice: 1,
  mount: 2,
  unmount: 1,
  expandvolume: 4,
  expandfs: 5,
};

/** Without attach nobody attaches: these then say what the ancestor of this driver said. */
const WITHOUT_ATTACH: Readonly<Record<string, (args: readonly string[]) => Answer>> = {
  attach: () => success(),
  detach: () => success(),
  waitforattach: ([device = '']) => success({ device }),
  isattached: () => success({ attached: true }),
};

/** The agent answers a little earlier than we give up, for its errors say more. */
const MARGIN_MS = 2_000;

/**
 * What the kubelet gets; never throws. `getvolumename` is not supported on purpose:
 * Kubernetes ignores its answer (k8s#44737).
 */
export async function answerTo(args: readonly string[], settings: Settings): Promise<Answer> {
  const [call, ...rest] = args;
  if (call === undefined) return failure('no arguments passed to flexvolume driver');
  const expected = Object.hasOwn(CALLS, call) ? CALLS[call] : undefined;
  if (expected === undefined) return NOT_SUPPORTED;
  if (rest.length !== expected) {
    return failure(`unexpected number of args ${rest.length} (expected ${expected}) for operation "${call}"`);
  }
  // Without the agent: the kubelet probes when it starts, and a driver that fails its init is not there for its pods.
  if (call === 'init') return init(settings);
  const local = settings.attach ? undefined : WITHOUT_ATTACH[call];
  if (local !== undefined) return local(rest);
  return askAgent(call, rest, settings);
}

/** Its pods get a file with a key, where those of every other driver get a filesystem unless they ask otherwise. */
const HAND_OFF_DRIVER = 'hyper/cephrbd';

/**
 * fsGroup and selinuxRelabel would have the kubelet change the owner and the label of the hand-off file, and so make
 * the key in it readable for the pod's group. A filesystem on the host needs the label of its pod: the container
 * runtime gives it, and the fsGroup is the node agent's. Metrics would be those of the node's own disk. A filesystem
 * grows when it is mounted next.
 */
const init = ({ attach, driver }: Settings): Answer => {
  const selinuxRelabel = driver !== HAND_OFF_DRIVER;
  return success({
    capabilities: { attach, fsGroup: false, selinuxRelabel, supportsMetrics: false, requiresFSResize: false },
  });
};

async function askAgent(call: string, args: readonly string[], settings: Settings): Promise<Answer> {
  const { driver, attach, socket, limitMs } = settings;
  const ms = Math.max(limitMs - MARGIN_MS, limitMs / 2);
  const request: AgentRequest = { version: 1, driver, attach, call, args, ms };
  try {
    const text = await ask(socket, request, limitMs);
    return parseAnswer(text) ?? failure(`the node agent's answer is none: ${text.slice(0, 100)}`);
  } catch (error) {
    if (!(error instanceof AgentDown)) return failure(`berth: ${error instanceof Error ? error.message : 'failed'}`);
    const leaves = call === 'unmount' || call === 'unmountdevice';
    if (leaves && (await isMissing(args[0] ?? ''))) return success();
    return failure(
      `berth: the node agent does not answer at ${socket} (${error.message}): ` +
        'start it (kubectl -n berth-system get pods -l app.kubernetes.io/component=node; ' +
        'its --flexvolume-endpoint must be this socket), the kubelet tries again by itself',
    );
  }
}

/** By readlink, which unlike stat asks nothing of a filesystem that is mounted there and may hang. */
async function isMissing(directory: string): Promise<boolean> {
  const code = await readlink(directory).catch((error: unknown) => (error as NodeJS.ErrnoException).code);
  return code === 'ENOENT';
}
