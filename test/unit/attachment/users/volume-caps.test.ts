/** The caps of a volume's user: each object by its beginning, and nothing without one. */
import { describe, expect, it } from 'vitest';
import { capsOf, whyNotCapped, type VolumeReach } from '../../../../src/attachment/users/volume-caps.js';
import { userMakerCaps } from '../../../../src/dev/ceph/users.js';

const own = { pool: 'rbd', namespace: '', imageId: '1f', data: { pool: 'rbd', prefix: 'rbd_data.1f' } };
const below = {
  ...{ pool: 'gold', namespace: 'team', imageId: '2e' },
  data: { pool: 'ec', prefix: 'rbd_data.7.2e' },
};
const reach = (more: Partial<VolumeReach> = {}): VolumeReach => ({
  ...{ image: 'pvc-1', own, below: [], readOnly: false },
  ...more,
});

describe('capsOf', () => {
  it('a volume that stands alone: all with its header, object map and data, and three methods of its pool', () => {
    const { mon, mgr, mds, osd } = capsOf(reach());
    expect({ mon, mgr, mds }).toEqual({ mon: 'profile rbd', mgr: 'allow command nothing', mds: 'allow r path=/none' });
    expect(osd.split(', ')).toEqual([
      'allow class rbd metadata_list pool=rbd namespace="" object_prefix rbd_info',
      'allow class rbd dir_get_name pool=rbd namespace="" object_prefix rbd_directory',
      'allow class rbd trash_get pool=rbd namespace="" object_prefix rbd_trash',
      'allow r class-read pool=rbd namespace="" object_prefix rbd_id.pvc-1',
      'allow rwx pool=rbd namespace="" object_prefix rbd_header.1f',
      'allow rwx pool=rbd namespace="" object_prefix rbd_object_map.1f',
      'allow rwx pool=rbd namespace="" object_prefix rbd_data.1f.',
    ]);
  });

  it('a copy: what it stands on is read, where it is, and never written', () => {
    const clauses = capsOf(reach({ below: [below] })).osd.split(', ');
    const ofBelow = clauses.filter((one) => one.includes('2e'));
    expect(ofBelow).toEqual([
      'allow r class-read pool=gold namespace=team object_prefix rbd_header.2e',
      'allow r class-read pool=gold namespace=team object_prefix rbd_object_map.2e',
      'allow r class-read pool=ec namespace=team object_prefix rbd_data.7.2e.',
    ]);
    expect(new Set(clauses).size).toBe(clauses.length);
  });

  it('attached read-only: its data is not written, its record is', () => {
    const { osd } = capsOf(reach({ readOnly: true }));
    expect(osd).toContain('allow r class-read pool=rbd namespace="" object_prefix rbd_data.1f.');
    expect(osd.match(/rwx[^,]*/g)).toEqual(['rwx pool=rbd namespace="" object_prefix rbd_header.1f']);
  });

  it('are what the maker’s own cap lets it give away, and no wider ones are', () => {
    const pattern = /caps_osd regex '([^']*)'/.exec(userMakerCaps(['rbd', 'gold', 'ec']).mon)?.[1] ?? '';
    const isAllowed = (osd: string): boolean => new RegExp(`^${pattern}$`).test(osd);
    const { osd } = capsOf(reach({ below: [below], own: { ...own, namespace: 'team' } }));
    expect(isAllowed(osd)).toBe(true);
    const clause = 'allow rwx pool=rbd namespace="" object_prefix rbd_data.1f.';
    for (const wider of ['allow *', 'allow rwx pool=rbd', `${clause}; allow *`, `${clause}, allow rwx pool=else`])
      expect(isAllowed(wider), wider).toBe(false);
  });
});

describe('whyNotCapped', () => {
  it.each([
    ['a b', 'a blank would end the cap'],
    ['a,allow *', 'a comma would begin another cap'],
    ['a"', 'a quote'],
  ])('an image called %j: refused, for %s', (image) => {
    expect(whyNotCapped(reach({ image }))).toContain('letters in it that caps cannot name');
  });

  it('a name as provisioners make them: undefined', () => {
    expect(whyNotCapped(reach({ image: 'pvc-0f3c_a.b' }))).toBeUndefined();
  });
});
