/** The seam of the crash tests: which step ends the process, and which words are refused. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { crashAt, crashSteps, freezeAt } from '../../../src/dev/driver/crash-at.js';
import { CONTROLLER_STEPS, NODE_STEPS } from '../../../src/volume/operation/steps.js';

const die = vi.fn();
beforeEach(() => {
  die.mockReset();
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

const at = (op: string, step: string, key = 'c/p/i') => ({ op, step, key });

it('ends the process when the operation enters the step, and at no other', () => {
  const observe = crashAt('stage:write staged', die);
  for (const other of [at('stage', 'map'), at('unstage', 'write staged')]) observe(other);
  expect(die).not.toHaveBeenCalled();
  observe(at('stage', 'write staged'));
  expect(die).toHaveBeenCalledTimes(1);
});

it('takes one volume alone, by the end of its handle', () => {
  const observe = crashAt('unpublish:start@vol-7', die);
  observe(at('unpublish', 'start', 'c/p/vol-8'));
  expect(die).not.toHaveBeenCalled();
  observe(at('unpublish', 'start', 'c/p/vol-7'));
  expect(die).toHaveBeenCalledTimes(1);
});

it('waits the milliseconds that it is given', () => {
  crashAt('stage:mkfs@i+20', die)(at('stage', 'mkfs'));
  vi.advanceTimersByTime(19);
  expect(die).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(die).toHaveBeenCalledTimes(1);
});

it.each(['', 'stage', 'stage:', 'stage:no such step', 'attach:mkfs', 'toString:start', 'stage:mkfs+soon'])(
  'refuses "%s" by name',
  (text) => {
    expect(() => crashAt(text, die)).toThrow(/BERTH_CONFIG_INVALID: .*BERTH_CRASH_AT.*stage, publish/);
  },
);

it('names the variable of a freeze that there is not', () => {
  expect(() => freezeAt('stage:no such step')).toThrow(/BERTH_CONFIG_INVALID: .*BERTH_FREEZE_AT/);
});

it('knows every step once, with start and answer around them', () => {
  for (const op of Object.keys(NODE_STEPS) as (keyof typeof NODE_STEPS)[]) {
    const steps = crashSteps(op);
    expect([steps[0], steps.at(-1)]).toEqual(['start', 'answer']);
    expect(new Set(steps).size, op).toBe(steps.length);
    for (const step of steps) expect(() => crashAt(`${op}:${step}`, die)).not.toThrow();
  }
  for (const [op, steps] of Object.entries(CONTROLLER_STEPS)) expect(new Set(steps).size, op).toBe(steps.length);
});
