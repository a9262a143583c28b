/** `berth explain CODE`: what the catalogue says of an error, and of a reason by which a link of a volume is broken. */
import { LINK_OF } from '../../diagnosis/trace/links.js';
import { catalogue, isErrorCode } from '../../model/errors.js';
import { usageError } from '../../options/usage-error.js';

/** What the caller does with a status (docs/errors.md has more). */
const CALLERS: Readonly<Record<string, string>> = {
  DEADLINE_EXCEEDED: 'the caller repeats the same call, which goes on where it was',
  UNAVAILABLE: 'the caller repeats the same call',
  ABORTED: 'the caller repeats the same call, until what is under way has ended',
};
const FINAL = 'nothing was done: somebody or something has to change before the call can succeed';

/** The catalogue's words, with `{names}` where a message has what it is about. BERTH_USAGE for what is neither. */
export function explain(text: string): string {
  const code = text.toUpperCase().startsWith('BERTH_') ? text.toUpperCase() : `BERTH_${text.toUpperCase()}`;
  if (isErrorCode(code)) {
    const { status, says, todo } = catalogue[code];
    return page([
      ['code', code],
      ['means', says],
      ['do', todo],
      ['status', `${status}: ${CALLERS[status] ?? FINAL}`],
      ['more', 'docs/errors.md, docs/runbook.md'],
    ]);
  }
  const reason = Object.entries(LINK_OF).find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (reason !== undefined)
    return page([
      ['reason', reason[0]],
      ['link', reason[1]],
      ['more', 'docs/trace.md has what is broken and what to do; berth trace says it of a volume'],
    ]);
  const near = [...Object.keys(catalogue), ...Object.keys(LINK_OF)].filter((one) => isNear(one, text));
  const hint = near.length === 0 ? '' : ` (Did you mean ${near.slice(0, 3).join(' or ')}?)`;
  throw usageError(text, `it is no code of Berth and no reason of berth trace${hint}`, 'berth explain --help');
}

/** They share a word of some length: codes and reasons are made of words. */
function isNear(known: string, text: string): boolean {
  const words = (from: string): readonly string[] =>
    from
      .split(/_|(?<=[a-z])(?=[A-Z])/)
      .map((one) => one.toLowerCase())
      .filter((one) => one.length > 3 && one !== 'berth');
  const asked = new Set(words(text));
  return words(known).some((one) => asked.has(one));
}

const page = (lines: readonly (readonly [string, string])[]): string =>
  lines.map(([what, says]) => `${what.padEnd(8)}${says}\n`).join('');
