/**
 * A program of its own, `kernel-clock`: prints what the kernel thinks of its clock (adjtimex(2), which Node does not
 * have and which changes nothing when asked with modes 0) as JSON. Exit code 0, or 1 with the reason on standard error.
 */
import koffi from 'koffi';

/** sizeof(struct timex) and its members on 64-bit Linux (linux/timex.h). */
const TIMEX_BYTES = 208;
const MAX_ERROR_AT = 24;
const STATUS_AT = 40;

try {
  const adjtimex = koffi.load('libc.so.6').func('int adjtimex(void *)') as (timex: Buffer) => number;
  const timex = Buffer.alloc(TIMEX_BYTES);
  const state = adjtimex(timex);
  if (state < 0) throw new Error('the kernel refuses adjtimex');
  const report = {
    state,
    status: timex.readInt32LE(STATUS_AT),
    maxErrorUs: Number(timex.readBigInt64LE(MAX_ERROR_AT)),
  };
  process.stdout.write(JSON.stringify(report));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
