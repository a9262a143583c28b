/** Who watches the children is told of each once, when it has ended. */
import { afterEach, expect, it } from 'vitest';
import { noteChild, runningChildren, watchChildren, type EndedChild } from '../../../../src/host/process/children.js';

afterEach(() => watchChildren(() => undefined));

it('names pid, command and time of a child that ended', () => {
  const seen: EndedChild[] = [];
  watchChildren((child) => seen.push(child));
  const { ended } = noteChild(4711, 'mkfs.ext4 -q');
  expect(runningChildren()).toMatchObject([{ pid: 4711, command: 'mkfs.ext4 -q' }]);
  expect(seen).toEqual([]);
  ended();
  expect(runningChildren()).toEqual([]);
  expect(seen).toEqual([{ child: 4711, command: 'mkfs.ext4 -q', ms: expect.any(Number) as number }]);
});
