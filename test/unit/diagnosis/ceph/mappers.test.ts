/** Which mapper the doctor expects to be taken, told without loading anything. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { berthError } from '../../../../src/model/errors.js';
import { checkMappers } from '../../../../src/diagnosis/ceph/mappers.js';
import type { Mapper } from '../../../../src/rbd/mapping/mapper.js';
import type { MounterChoice } from '../../../../src/model/mapper-name.js';
import { kernelFixture, type KernelFixture } from '../../rbd/mapping/kernel-fixture.js';

let kernel: KernelFixture;
let asked: string[] = [];
/** The modules that a dry run of modprobe finds. */
let loadable: readonly string[] = [];
beforeEach(async () => {
  kernel = await kernelFixture();
  asked = [];
  loadable = [];
});
afterEach(() => kernel.remove());

const loop = (why?: string): Pick<Mapper, 'name' | 'whyNot'> => ({ name: 'loop', whyNot: () => Promise.resolve(why) });
const check = (choice: MounterChoice = 'auto', sysRoot = kernel.roots.sys, moreMappers = [loop()]) =>
  checkMappers({
    ...{ mounter: choice, sysRoot, versions: false, moreMappers },
    exec: (file, args) => {
      asked.push([file, ...args].join(' '));
      if (loadable.includes(args.at(-1) ?? '')) return Promise.resolve({ stdout: '', stderr: '', exitCode: 0 });
      return Promise.reject(berthError('BERTH_COMMAND_FAILED', { command: file, how: 'exit code 1', stderr: '' }));
    },
  });
const bare = async (): Promise<string> => {
  const directory = path.join(kernel.directory, 'bare');
  await mkdir(directory, { recursive: true });
  return directory;
};

describe('checkMappers', () => {
  it('names the kernel´s features where its module is loaded, and runs nothing', async () => {
    const [krbd, nbd, mapper] = await check();
    expect(krbd).toMatchObject({ name: 'krbd', level: 'ok' });
    expect(krbd!.says).toMatch(/^module loaded; can do layering, striping, exclusive-lock, .*data-pool/);
    expect(nbd).toMatchObject({ name: 'nbd', level: 'ok' });
    expect(mapper).toEqual({ name: 'mapper', level: 'ok', says: '--mounter auto takes krbd' });
    expect(asked).toEqual([]);
  });

  it('only asks whether a module could be loaded', async () => {
    loadable = ['rbd'];
    const [krbd, nbd, mapper] = await check('auto', await bare());
    expect(krbd!.says).toMatch(/^module not loaded, loaded when it is needed/);
    // Not needed while the other works: no reason to worry anybody.
    expect(nbd).toMatchObject({ level: 'ok', says: expect.stringMatching(/cannot work here: .*no nbd/) as string });
    expect(mapper).toMatchObject({ level: 'ok' });
    expect(asked.sort()).toEqual(['modprobe --dry-run --quiet nbd', 'modprobe --dry-run --quiet rbd']);
  });

  it('warns where only the development mapper is left', async () => {
    expect(await check('auto', await bare())).toMatchObject([
      ...['krbd', 'nbd'].map((name) => ({ name, level: 'warning' })),
      { name: 'mapper', level: 'warning', says: expect.stringContaining('for development only') as string },
    ]);
  });

  it('fails where nothing works, with every reason, and where the chosen one does not', async () => {
    const [, , mapper] = await check('auto', await bare(), [loop('/dev/fuse does not exist')]);
    expect(mapper).toMatchObject({ level: 'failed' });
    expect(mapper!.says).toMatch(/krbd: .*no rbd.*; nbd: .*no nbd.*; loop: \/dev\/fuse/);
    loadable = ['rbd'];
    expect((await check('nbd', await bare()))[2]).toMatchObject({ level: 'failed' });
  });

  it('asks only mappers that the program was built with, and fails where another one is chosen', async () => {
    const [krbd, , mapper] = await check('auto', await bare(), []);
    expect(krbd).toMatchObject({ level: 'warning' });
    expect(mapper!.says).toMatch(/^no volume can be mapped here; .*krbd: .*no rbd.*; nbd: [^;]*no nbd[^;]*$/);
    const [, , chosen] = await check('loop', kernel.roots.sys, []);
    expect(chosen).toMatchObject({ level: 'failed' });
    expect(chosen!.says).toContain('loop: this driver has no such mapper');
  });
});
