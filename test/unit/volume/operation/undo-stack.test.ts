/** The undo of a failed operation: in reverse, by steps of its own names, up to the first that fails. */
import { expect, it, vi } from 'vitest';
import { UNDO_MS, withUndo, type UndoStack } from '../../../../src/volume/operation/undo-stack.js';

type Step = 'undo mount' | 'undo map' | 'undo journal';

/** Runs a body that pushes what it is told and fails; what was done, in order. */
async function failing(push: (undo: UndoStack<Step>, done: string[]) => void, straggler?: string) {
  const done: string[] = [];
  const warn = vi.fn();
  const operation = { step: (name: string) => done.push(name), straggler: () => straggler };
  const parts = { what: 'stage', volume: 'v', operation, log: { warn } };
  const body = (undo: UndoStack<Step>) => {
    push(undo, done);
    return Promise.reject(new Error('no device'));
  };
  await expect(withUndo<Step, never>(parts, body)).rejects.toThrow('no device');
  return { done, warn };
}

const undoing = (done: string[], what: string) => (): Promise<void> => {
  done.push(what);
  return Promise.resolve();
};

it('is not run for an operation that succeeds', async () => {
  const undo = vi.fn();
  const operation = { step: vi.fn(), straggler: () => undefined };
  const parts = { what: 'stage', volume: 'v', operation, log: { warn: vi.fn() } };
  const result = await withUndo(parts, (stack) => {
    stack.push(undo);
    return Promise.resolve('staged');
  });
  expect(result).toBe('staged');
  expect(undo).not.toHaveBeenCalled();
});

it('goes from the newest act to the oldest, and throws what the operation failed by', async () => {
  const { done, warn } = await failing((undo, done) => {
    undo.push(undoing(done, 'journal'));
    undo.push(undoing(done, 'map'));
    undo.push(undoing(done, 'mount'));
  });
  expect(done).toEqual(['mount', 'map', 'journal']);
  expect(warn).not.toHaveBeenCalled();
});

it('names its steps, has time of its own, and knows what the operation failed by', async () => {
  const { done } = await failing((undo, done) => {
    undo.push(({ step, deadline, cause }) => {
      step('undo map');
      done.push(String(cause), deadline.remaining() > UNDO_MS - 5_000 ? 'has time' : 'has none');
      return Promise.resolve();
    });
  });
  expect(done).toEqual(['undo map', 'Error: no device', 'has time']);
});

it('stops at the first undo that fails: the journal keeps the rest, and the log says so', async () => {
  const { done, warn } = await failing((undo, done) => {
    undo.push(undoing(done, 'journal'));
    undo.push(() => Promise.reject(new Error('busy')));
    undo.push(undoing(done, 'mount'));
  });
  expect(done).toEqual(['mount']);
  const left = 'a failed stage could not be undone; the journal keeps it for the next try';
  expect(warn).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ volume: 'v' }), left);
});

it('keeps the journal entry while a child lives that could not be killed', async () => {
  const push = (undo: UndoStack<Step>, done: string[]) => {
    undo.pushUnlessStraggler(undoing(done, 'journal'));
    undo.push(undoing(done, 'map'));
  };
  expect((await failing(push, 'rbd map (pid 7)')).done).toEqual(['map']);
  expect((await failing(push)).done).toEqual(['map', 'journal']);
});
