/** Objects by name and, for each question that is asked of them, by its key: no answer walks through all of them. */

/** The key under which an object is looked up; undefined for one that is never found by it. */
export type KeyOf<T> = (item: T) => string | undefined;

/** @typeParam Index names of the questions, such as `handle` */
export class IndexedObjects<T, Index extends string> {
  readonly #byName = new Map<string, T>();
  readonly #indexes: ReadonlyMap<Index, { readonly keyOf: KeyOf<T>; readonly found: Map<string, T[]> }>;

  constructor(keys: Readonly<Record<Index, KeyOf<T>>>) {
    const names = Object.keys(keys) as Index[];
    this.#indexes = new Map(names.map((name) => [name, { keyOf: keys[name], found: new Map<string, T[]>() }]));
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): T | undefined {
    return this.#byName.get(name);
  }

  /** As they are now; what comes and goes while the caller walks is not seen. */
  values(): readonly T[] {
    return [...this.#byName.values()];
  }

  /** Those of one key; empty where there is none. */
  of(index: Index, key: string): readonly T[] {
    return this.#indexes.get(index)?.found.get(key) ?? [];
  }

  set(name: string, item: T): void {
    this.delete(name);
    this.#byName.set(name, item);
    for (const { keyOf, found } of this.#indexes.values()) {
      const key = keyOf(item);
      if (key === undefined) continue;
      const present = found.get(key);
      // As a rule one object has a key, and an array of one is the least that remembers it.
      found.set(key, present === undefined ? [item] : [...present, item]);
    }
  }

  delete(name: string): void {
    const item = this.#byName.get(name);
    if (item === undefined) return;
    this.#byName.delete(name);
    for (const { keyOf, found } of this.#indexes.values()) {
      const key = keyOf(item);
      if (key === undefined) continue;
      const left = (found.get(key) ?? []).filter((one) => one !== item);
      if (left.length === 0) found.delete(key);
      else found.set(key, left);
    }
  }
}
