/** Counts the calls that are running, so that a shutdown can refuse new ones and wait for the others. */
import { berthError } from '../model/errors.js';
import { settledWithin } from '../model/time-limit.js';

export class Drain {
  #running = 0;
  #draining = false;
  #whenIdle: (() => void) | undefined;
  #tell: () => void = () => undefined;
  /** Resolves when the drain begins: for calls that would go on for long and can be gone on with elsewhere. */
  readonly begun = new Promise<void>((resolve) => (this.#tell = resolve));

  get draining(): boolean {
    return this.#draining;
  }

  get running(): number {
    return this.#running;
  }

  /** Enters a call and returns how it leaves. BERTH_SHUTTING_DOWN once the drain has begun. */
  enter(): () => void {
    if (this.#draining) throw berthError('BERTH_SHUTTING_DOWN', {});
    this.#running += 1;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#running -= 1;
      if (this.#running === 0) this.#whenIdle?.();
    };
  }

  /** Refuses new calls from now on and waits at most `ms` for those inside; false when some are still running then. */
  async begin(ms: number): Promise<boolean> {
    this.#draining = true;
    this.#tell();
    if (this.#running === 0) return true;
    const idle = new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
    return settledWithin(idle, ms);
  }
}
