/** Goes through very many items, or sorts them, without keeping others from their turn. */
import { setImmediate as breathe } from 'node:timers/promises';

/** What is done in one turn: a millisecond or two. */
const SLICE = 1_000;

/** What costs a promise for each of fifty thousand takes ten times as long as the work itself. */
export async function eachInSlices<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
  for (let at = 0; at < items.length; at += SLICE) {
    items.slice(at, at + SLICE).forEach(work);
    await breathe();
  }
}

/** As `toSorted`: what is equal stays in its order. In runs, which are merged bit by bit. */
export async function sortInSlices<T>(items: readonly T[], compare: (a: T, b: T) => number): Promise<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += SLICE) {
    runs.push(items.slice(at, at + SLICE).sort(compare));
    await breathe();
  }
  while (runs.length > 1) {
    const longer: (readonly T[])[] = [];
    for (let at = 0; at < runs.length; at += 2) longer.push(await merged(runs[at] ?? [], runs[at + 1] ?? [], compare));
    runs = longer;
  }
  return runs[0] ?? [];
}

async function merged<T>(
  first: readonly T[],
  second: readonly T[],
  compare: (a: T, b: T) => number,
): Promise<readonly T[]> {
  if (second.length === 0) return first;
  const all: T[] = [];
  let [i, j] = [0, 0];
  for (let [a, b] = [first[0], second[0]]; a !== undefined && b !== undefined; ) {
    if (compare(a, b) <= 0) {
      all.push(a);
      a = first[(i += 1)];
    } else {
      all.push(b);
      b = second[(j += 1)];
    }
    if (all.length % SLICE === 0) await breathe();
  }
  return all.concat(first.slice(i), second.slice(j));
}
