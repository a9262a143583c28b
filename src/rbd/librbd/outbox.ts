/** Gathers the messages of one turn of the event loop and sends them as one. */
import type { Batch } from './worker-messages.js';

export class Outbox<Message> {
  readonly #send: (batch: Batch<Message>) => void;
  #waiting: Message[] = [];

  constructor(send: (batch: Batch<Message>) => void) {
    this.#send = send;
  }

  post(message: Message): void {
    this.#waiting.push(message);
    if (this.#waiting.length > 1) return;
    setImmediate(() => {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#send(batch);
    });
  }
}
