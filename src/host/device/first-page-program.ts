/**
 * A program of its own: `first-page-program DEVICE` prints the device's first page in base64, read past the page cache.
 * Exit code 0, or 1 with the reason on standard error.
 */
import { readUncached } from './direct-read.js';

try {
  process.stdout.write((await readUncached(process.argv[2] ?? '')).toString('base64'));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
