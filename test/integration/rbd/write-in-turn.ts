/** A program that writes to several devices in turn without pause, as one that relies on the order does. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

const BLOCK = 4096;

export interface WriterInTurn {
  /** The number that it is at. */
  readonly written: () => number;
  /** Fails where a write has failed meanwhile. */
  readonly stop: () => Promise<void>;
}

/** Writes N to the start of the first, then of the next, each time through to Ceph; then N + 1. */
export async function writeInTurn(...devices: readonly string[]): Promise<WriterInTurn> {
  const files = await Promise.all(devices.map((device) => open(device, constants.O_RDWR | constants.O_DSYNC)));
  const stopped = new AbortController();
  let n = 0;
  const write = async (): Promise<void> => {
    const block = Buffer.alloc(BLOCK);
    try {
      while (!stopped.signal.aborted) {
        n += 1;
        block.writeUInt32LE(n);
        for (const file of files) {
          await file.write(block, 0, BLOCK, 0);
          await file.datasync();
        }
      }
    } finally {
      for (const file of files) await file.close();
    }
  };
  const writing = write();
  // Its failure is the test's at its end.
  writing.catch(() => undefined);
  const stop = (): Promise<void> => {
    stopped.abort();
    return writing;
  };
  return { written: () => n, stop };
}

/** What it has written to a device, by the first bytes of that. */
export const numberIn = (start: Uint8Array): number => Buffer.from(start).readUInt32LE(0);
