/** The demo's output: one line per step with its time, aligned, written as each step ends. */

const STEP_WIDTH = 44;
const MS_WIDTH = 7;

/** What a step saw, for the last column; empty for nothing to tell. */
export type Seen = string;

export class Table {
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void) {
    this.#write = write;
    this.#write(`${'ms'.padStart(MS_WIDTH)}  ${'step'.padEnd(STEP_WIDTH)}  seen\n`);
  }

  /** Run one step and print it; what it throws is printed as its line and thrown on. */
  async step(name: string, work: () => Promise<Seen>): Promise<void> {
    await this.bring(name, async () => [undefined, await work()]);
  }

  /** A step whose work brings something for those that follow. */
  async bring<T>(name: string, work: () => Promise<readonly [T, Seen]>): Promise<T> {
    const started = performance.now();
    let seen = 'FAILED';
    try {
      const [brought, said] = await work();
      seen = said;
      return brought;
    } finally {
      const ms = String(Math.round(performance.now() - started)).padStart(MS_WIDTH);
      this.#write(
        `${ms}  ${name.padEnd(STEP_WIDTH)}  ${seen.replaceAll('\n', `\n${' '.repeat(MS_WIDTH + STEP_WIDTH + 4)}`)}\n`,
      );
    }
  }

  note(text: string): void {
    this.#write(`${' '.repeat(MS_WIDTH)}  ${text}\n`);
  }
}
