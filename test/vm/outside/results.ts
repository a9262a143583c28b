/** The results of one test file: read while they are written, shown as they come, judged at the end. */
import { readFile } from 'node:fs/promises';
import type { Event } from '../wire.js';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export class Results {
  readonly #say: (line: string) => void;
  #read = 0;
  #running: string | undefined;
  #passed = 0;
  readonly #failed: string[] = [];
  /** performance.now() of the last sign of life. */
  heard = performance.now();

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** A new boot writes a new file. */
  begin(): void {
    this.#read = 0;
    this.heard = performance.now();
  }

  /** Take in what was written since the last time. */
  async look(file: string): Promise<void> {
    const text = await readFile(file, 'utf8').catch(() => '');
    const end = text.lastIndexOf('\n') + 1;
    for (const line of text.slice(this.#read, end).split('\n').filter(Boolean)) this.#take(JSON.parse(line) as Event);
    this.#read = Math.max(this.#read, end);
  }

  /** Something that no test says: the guest died, no result. */
  broken(why: string): void {
    const at = this.#running === undefined ? '' : ` in "${this.#running}"`;
    this.#failed.push(`${why}${at}`);
    this.#say(`  ✖ ${why}${at}`);
  }

  /** The test that asked for a reboot does not end; it goes on in the next boot. */
  rebooted(): void {
    this.#running = undefined;
  }

  get failed(): number {
    return this.#failed.length;
  }

  get passed(): number {
    return this.#passed;
  }

  #take(event: Event): void {
    this.heard = performance.now();
    if (event.kind === 'start') {
      this.#running = event.name;
      return;
    }
    if (event.kind === 'note') {
      this.#say(`    ${event.text}`);
      return;
    }
    this.#running = undefined;
    if (event.kind === 'pass') {
      this.#passed += 1;
      this.#say(`  ✔ ${event.name} (${seconds(event.ms)})`);
    } else {
      this.#failed.push(event.name);
      this.#say(`  ✖ ${event.name} (${seconds(event.ms)})\n${event.why.replaceAll(/^/gm, '      ')}`);
    }
  }
}
