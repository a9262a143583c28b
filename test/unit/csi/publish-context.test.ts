/** What an attach passes on to the node, and what the node reads out of it. */
import { describe, expect, it } from 'vitest';
import { GRANT, grantOf, publishContextOf, READ_ONLY, rightOf } from '../../../src/csi/publish-context.js';

describe('the publish context', () => {
  it.each([
    [{ readOnly: false, grant: 'g' }, { [GRANT]: 'g' }],
    [
      { readOnly: true, grant: 'g' },
      { [READ_ONLY]: 'true', [GRANT]: 'g' },
    ],
    [{ readOnly: true, grant: undefined }, { [READ_ONLY]: 'true' }],
    [{ readOnly: false, grant: undefined }, {}],
  ])('of %j is %j', (asked, context) => {
    expect(publishContextOf(asked)).toEqual(context);
  });

  it.each([
    [{ [GRANT]: 'g' }, true, { by: 'attach', grant: 'g' }],
    [{ [GRANT]: 'g' }, false, { by: 'attach', grant: 'g' }],
    // An attach of an earlier Berth: the orchestrator attaches, so nothing is taken anew.
    [{}, true, { by: 'attach', grant: undefined }],
    [{ [GRANT]: '' }, true, { by: 'attach', grant: undefined }],
    [{}, false, { by: 'node' }],
    [{ [GRANT]: '' }, false, { by: 'node' }],
  ])('%j, where the orchestrator attaches: %s, is the right %j', (context: Record<string, string>, attaches, right) => {
    expect(rightOf(context, attaches)).toEqual(right);
    expect(grantOf(context)).toBe(context[GRANT] === 'g' ? 'g' : undefined);
  });
});
