/** The record of a growth: read as written, not believed of a copy, refused where it cannot be understood. */
import { describe, expect, it } from 'vitest';
import {
  formatGrowth,
  GROWTH_KEY,
  parseGrowth,
  type GrowthRecord,
} from '../../../../src/volume/image/growth-record.js';

const volume = 'c1/rbd/berth-v';
const own = { id: '1cafe', fsid: 'f51d0000-0000-4000-8000-000000000000' };
const record: GrowthRecord = {
  state: 'growing',
  snapshot: 'berth-growth-1',
  size: '1073741824',
  mounts: '17/3',
  tries: 1,
  node: 'worker-1',
  since: '2026-01-02T03:04:05.000Z',
};
const home = (text?: string, id = own.id) => ({
  ...own,
  id,
  metadata: new Map(text === undefined ? [] : [[GROWTH_KEY, text]]),
});
const text = formatGrowth(record, volume, home());

describe('the record of a growth', () => {
  it('is read as it was written, and absent where there is none', () => {
    expect(parseGrowth(home(text), volume)).toMatchObject(record);
    expect(parseGrowth(home(), volume)).toBeUndefined();
  });

  it('that came with a copy of the image is none', () => {
    expect(parseGrowth(home(text, '2cafe'), volume)).toBeUndefined();
  });

  it.each(['', '[', '1', '{}', text.replace('"version":1', '"version":2'), text.replace('growing', 'shrinking')])(
    'cannot be read: %s',
    (damaged) => {
      expect(() => parseGrowth(home(damaged), volume)).toThrow(/BERTH_RECORD_UNREADABLE/);
    },
  );
});
