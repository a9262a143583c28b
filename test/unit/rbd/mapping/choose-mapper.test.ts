import { describe, expect, it } from 'vitest';
import { chooseMapper, mapperNamed } from '../../../../src/rbd/mapping/choose-mapper.js';
import type { Mapper } from '../../../../src/rbd/mapping/mapper.js';
import type { MapperName } from '../../../../src/model/mapper-name.js';

const unused = () => Promise.reject(new Error('only the choice is tested'));
const mapper = (name: MapperName, why?: string): Mapper => ({
  name,
  whyNot: () => Promise.resolve(why),
  limit: unused,
  find: unused,
  list: unused,
  map: unused,
  unmap: unused,
  cutOff: unused,
  resized: unused,
});

describe('auto', () => {
  it('takes the kernel client where the kernel has it, whatever else works', async () => {
    expect((await chooseMapper('auto', [mapper('loop'), mapper('nbd'), mapper('krbd')])).name).toBe('krbd');
  });

  it('goes on to rbd-nbd and then to the loop mapper, where it was built in', async () => {
    expect((await chooseMapper('auto', [mapper('krbd', 'no'), mapper('nbd'), mapper('loop')])).name).toBe('nbd');
    expect((await chooseMapper('auto', [mapper('krbd', 'no'), mapper('nbd', 'no'), mapper('loop')])).name).toBe('loop');
  });

  it('gives the reason of each that was built in where none works', async () => {
    await expect(chooseMapper('auto', [mapper('krbd', 'no rbd'), mapper('nbd', 'no nbd')])).rejects.toThrow(
      /krbd: no rbd; nbd: no nbd; load the kernel module/,
    );
  });
});

describe('a choice', () => {
  it('is never replaced by another one', async () => {
    const error: unknown = await chooseMapper('krbd', [mapper('krbd', 'the kernel has no rbd'), mapper('nbd')]).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
    expect(String(error)).toContain('mapper krbd cannot work on this node: the kernel has no rbd');
  });

  it('of the loop mapper in a driver without one says why there is none', async () => {
    const shipped = [mapper('krbd'), mapper('nbd')];
    const refused = /BERTH_MAPPER_UNAVAILABLE: mapper loop cannot work on this node: .* development driver only/;
    await expect(chooseMapper('loop', shipped)).rejects.toThrow(refused);
    expect(() => mapperNamed('loop', shipped)).toThrow(refused);
    expect(mapperNamed('nbd', shipped)).toBe(shipped[1]);
  });
});
