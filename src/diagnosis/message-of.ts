/** What an error says, for somebody who looks: he called nothing that could be repeated. */
import { isBerthError } from '../model/errors.js';

/** The catalogue's word to a sidecar or kubelet: true of a call of theirs, and no comfort where a cluster is dead. */
const TO_CALLERS = /; the call may be repeated(?:, (?:it continues where it was|after a pause))?(?=;|$)/g;

/** With its code in front. */
export function toldOf(error: unknown): string {
  if (isBerthError(error)) return error.message.replaceAll(TO_CALLERS, '');
  return error instanceof Error ? error.message : 'failed';
}

/** Without the code: a finding has a name of its own. */
export const messageOf = (error: unknown): string => toldOf(error).replace(/^BERTH_\w+: /, '');

/** How many of a list a sentence names. */
const NAMED = 3;

/** The first of them, and how many more there are. */
export function firstOf(all: readonly string[]): string {
  const more = all.length - NAMED;
  return `${all.slice(0, NAMED).join('; ')}${more > 0 ? `, and ${more} more` : ''}`;
}
