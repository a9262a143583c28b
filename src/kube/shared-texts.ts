/** One copy of what very many objects have in common: each copy of its own is for the garbage collector to look at. */

/** Some 100 bytes each. What comes beyond that has copies of its own. */
const LIMIT = 10_000;

export class SharedTexts {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();

  /** The first text that was equal. */
  text(value: string): string {
    return once(this.#texts, value, value);
  }

  /** The first list that was equal. */
  list(values: readonly string[]): readonly string[] {
    return once(this.#lists, values.join('\n'), values);
  }
}

function once<T>(known: Map<string, T>, key: string, value: T): T {
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size < LIMIT) known.set(key, value);
  return value;
}
