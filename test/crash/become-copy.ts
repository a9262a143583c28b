/** What an image's record of its filesystem says where its content came from another one. */
import { parseJson } from '../../src/model/parse-json.js';

/** @param text the record of a formatted image, as it is */
export function becomeCopy(text: string | undefined): string {
  const record = parseJson(text ?? '');
  if (typeof record !== 'object' || record === null || !('state' in record) || record.state !== 'formatted')
    throw new Error(`no formatted image says ${text}`);
  return JSON.stringify({ ...record, copied: true });
}
