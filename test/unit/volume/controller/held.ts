/** A body of an operation that a test lets go. */
import { vi } from 'vitest';
import type { Operation } from '../../../../src/volume/operation/operations.js';

/** A body that waits until it is let go. */
export function held<T>() {
  let end: (value: T) => void = () => undefined;
  let breakOff: (error: Error) => void = () => undefined;
  const result = new Promise<T>((resolve, reject) => {
    end = resolve;
    breakOff = reject;
  });
  let operation: Operation | undefined;
  const body = vi.fn((given: Operation) => {
    operation = given;
    return result;
  });
  return { body, end, breakOff, step: (name: string) => operation?.step(name) };
}
