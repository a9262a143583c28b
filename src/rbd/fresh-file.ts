/**
 * Files that may change under us, read again at most once in a while:
 * a burst of calls must not become a burst of reads.
 */
import { readFile } from 'node:fs/promises';

/** How old a text may be, in ms: a rotated key or a new monitor is known a second later. */
const FRESH_MS = 1_000;

export class FreshFiles {
  readonly #freshMs: number;
  readonly #texts = new Map<string, { readonly until: number; readonly text: Promise<string> }>();

  constructor(freshMs = FRESH_MS) {
    this.#freshMs = freshMs;
  }

  /** The file's text; a failed read is an error at once and never remembered. */
  read(file: string): Promise<string> {
    const kept = this.#texts.get(file);
    if (kept !== undefined && performance.now() < kept.until) return kept.text;
    const text = readFile(file, 'utf8');
    this.#texts.set(file, { until: performance.now() + this.#freshMs, text });
    text.catch(() => this.#texts.delete(file));
    return text;
  }
}
