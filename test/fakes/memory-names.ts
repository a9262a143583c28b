/** Names of images in memory: when they were written, and those behind which there is no whole image. */
export type MemoryHalf = 'name' | 'dead entry' | 'damaged';

interface Half {
  readonly id: string;
  readonly left: MemoryHalf;
}

/** By `pool/namespace/image`. */
export class MemoryNames {
  /** ms since the epoch, whole seconds. */
  readonly written = new Map<string, number>();
  readonly #halves = new Map<string, Half>();

  write(spec: string): void {
    this.written.set(spec, Math.floor(Date.now() / 1_000) * 1_000);
  }

  halve(spec: string, id: string, left: MemoryHalf): void {
    this.#halves.set(spec, { id, left });
    if (left === 'dead entry') this.written.delete(spec);
  }

  isHalf = (spec: string): boolean => this.#halves.has(spec);

  /** Undefined also where its data may still be saved. */
  idOfHalf(spec: string): string | undefined {
    const half = this.#halves.get(spec);
    return half?.left === 'damaged' ? undefined : half?.id;
  }

  dropHalf = (spec: string): boolean => this.#halves.delete(spec);

  dropDead(spec: string, id: string): boolean {
    const half = this.#halves.get(spec);
    return half?.left === 'dead entry' && half.id === id && this.#halves.delete(spec);
  }
}
