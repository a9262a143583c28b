/** Objects of the stand-in that nobody has to put there: made of their number. */
import type { Thing } from './api-server.js';

/** Objects that are made while they are read, so that very many need no memory. */
export interface Generated {
  readonly count: number;
  /** @param index from 0; names rise with it */
  readonly make: (index: number) => Thing;
}

/** The one of a name, by halves. */
export function generatedNamed({ count, make }: Generated, name: string): Thing | undefined {
  let [from, to] = [0, count];
  while (from < to) {
    const middle = (from + to) >> 1;
    const found = make(middle);
    if (found.metadata.name === name) return found;
    if (found.metadata.name < name) from = middle + 1;
    else to = middle;
  }
  return undefined;
}
