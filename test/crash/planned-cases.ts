/** The cases of the crash tests: each step of each operation, and moments in the middle of some. */
import type { NodeOperationName } from '../../src/volume/operation/steps.js';
import type { Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios.js';

export interface CrashCase {
  /** `stage:mkfs`, as BERTH_CRASH_AT has it but for the volume. */
  readonly at: string;
  /** Into the step, while its child works. */
  readonly ms: number | undefined;
  readonly scenario: Scenario;
}

/** Milliseconds into steps whose work a child does, so that it is cut in the middle. */
const WITHIN: readonly (readonly [op: NodeOperationName, step: string, ms: readonly number[]])[] = [
  ['stage', 'map', [30, 90]],
  ['stage', 'mkfs', [10, 25]],
  ['stage', 'apply journal of copy', [25]],
  // The first is in the middle of the log, as a rule.
  ['stage', 'set uuid', [40, 70]],
  ['stage', 'mount', [4]],
  ['publish', 'bind', [4]],
  ['unstage', 'unmap', [15]],
  ['expand', 'grow filesystem', [4]],
];

/** Every case of these operations, one for each step and those in the middle of a step. */
export function crashCases(...ops: readonly NodeOperationName[]): readonly CrashCase[] {
  return ops.flatMap((op) => {
    const steps = Object.entries<Scenario>(SCENARIOS[op]);
    const atSteps = steps.map(([step, scenario]) => ({ at: `${op}:${step}`, ms: undefined, scenario }));
    const within = WITHIN.filter((one) => one[0] === op).flatMap(([, step, ms]) => {
      const scenario = new Map(steps).get(step);
      if (scenario === undefined) throw new Error(`there is no step ${op}:${step}`);
      return ms.map((one) => ({ at: `${op}:${step}`, ms: one, scenario }));
    });
    return [...atSteps, ...within];
  });
}
