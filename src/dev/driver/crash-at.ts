/** For tests: ends this process as kill -9 does, or freezes it, when an operation enters a chosen step. */
import { berthError } from '../../model/errors.js';
import type { EnteredStep } from '../../volume/operation/operation-settings.js';
import {
  ANSWER,
  BACKGROUND_STEPS,
  CONTROLLER_STEPS,
  FLEXVOLUME_STEPS,
  HAND_OVER_STEPS,
  NODE_STEPS,
  START,
  type StepTable,
} from '../../volume/operation/steps.js';

/** The environment variables; nobody sets them where data matters. */
export const CRASH_AT = 'BERTH_CRASH_AT';
export const FREEZE_AT = 'BERTH_FREEZE_AT';
const FORM = '<operation>:<step>[@<end of a volume handle>][+<ms>]';

/** An expansion is the node's: the controller's has the same name. */
const STEPS = {
  ...CONTROLLER_STEPS,
  ...BACKGROUND_STEPS,
  ...NODE_STEPS,
  ...HAND_OVER_STEPS,
  ...FLEXVOLUME_STEPS,
} as const satisfies StepTable;

const signalSelf = (signal: 'SIGKILL' | 'SIGSTOP') => () => void process.kill(process.pid, signal);

/** Every step at which an operation can be ended, in the table's order. */
export const crashSteps = (op: keyof typeof STEPS): readonly string[] => [START, ...STEPS[op], ANSWER];

/**
 * The observer that `text` asks for: `stage:mkfs` ends the process when any stage is about to run mkfs,
 * `stage:mkfs@vol-7+20` does so 20 ms into it, of that volume alone. BERTH_CONFIG_INVALID for a step that there is not.
 */
export function crashAt(
  text: string,
  die: () => void = signalSelf('SIGKILL'),
  variable: typeof CRASH_AT | typeof FREEZE_AT = CRASH_AT,
): (at: EnteredStep) => void {
  const [, op = '', step = '', volume = '', ms] = /^(\w+):([^@+]+)(?:@([^+]+))?(?:\+(\d+))?$/.exec(text) ?? [];
  const known = Object.hasOwn(STEPS, op) && crashSteps(op as keyof typeof STEPS).includes(step);
  if (!known) {
    const operations = Object.keys(STEPS).join(', ');
    throw berthError('BERTH_CONFIG_INVALID', {
      file: variable,
      why: `"${text}" is not ${FORM}; operations: ${operations}`,
    });
  }
  return (at) => {
    if (at.op !== op || at.step !== step || !at.key.endsWith(volume)) return;
    if (ms === undefined) die();
    else setTimeout(die, Number(ms));
  };
}

/** As {@link crashAt}, and the process is stopped before the step begins, until somebody sends it SIGCONT. */
export const freezeAt = (text: string): ((at: EnteredStep) => void) => crashAt(text, signalSelf('SIGSTOP'), FREEZE_AT);
