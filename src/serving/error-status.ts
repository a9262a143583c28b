/** From an error to what the caller sees: a gRPC status number and one sentence, and nothing else. */
import { inspect } from 'node:util';
import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { BerthError, berthError } from '../model/errors.js';

/** The message travels percent-encoded in an HTTP/2 trailer; longer ones are refused by some clients. In characters. */
const LONGEST = 2000;

/**
 * The catalogue's error for anything thrown; what is not from the catalogue becomes INTERNAL, its stack left behind.
 */
export function asBerthError(thrown: unknown): BerthError {
  if (thrown instanceof BerthError) return thrown;
  return berthError('BERTH_INTERNAL', { what: firstLine(thrown) || 'an unexpected failure' }, thrown);
}

/** The status of an error: details are never empty, metadata always (CSI 1.12, "Error Scheme": no status details). */
export function toStatus(error: BerthError, details = error.message): StatusObject {
  const short = details.length > LONGEST ? `${details.slice(0, LONGEST)}...` : details;
  // A lone surrogate (a cut pair, a hostile name) would make the encoder throw; a round trip replaces it.
  const wellFormed = Buffer.from(short, 'utf8').toString('utf8');
  return { code: status[error.status], details: wellFormed || error.code, metadata: new Metadata() };
}

function firstLine(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : typeof thrown === 'string' ? thrown : '';
  return text.split('\n', 1)[0]?.trim() ?? '';
}

/** Messages of the error's causes, nearest first, for the log; at most five, each at most 1000 characters. */
export function causes(error: BerthError): string[] {
  const found: string[] = [];
  let cause: unknown = error.cause;
  while (cause !== undefined && cause !== null && found.length < 5) {
    const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : inspect(cause, { depth: 1 });
    found.push(text.slice(0, 1000));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return found;
}
