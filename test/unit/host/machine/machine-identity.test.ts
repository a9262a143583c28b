import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineIdentity } from '../../../../src/host/machine/machine-identity.js';

const UUID = '4c4c4544-0051-3010-8052-b4c04f564231';
let directory: string;
let sys: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-machine-'));
  sys = path.join(directory, 'sys');
  await mkdir(path.join(sys, 'class/dmi/id'), { recursive: true });
});
afterEach(() => rm(directory, { recursive: true }));

const firmwareSays = (text: string): Promise<void> => writeFile(path.join(sys, 'class/dmi/id/product_uuid'), text);
const state = async (name: string): Promise<string> => {
  await mkdir(path.join(directory, name), { recursive: true });
  return path.join(directory, name);
};

describe('a machine', () => {
  it('is its hardware, whatever becomes of its disk', async () => {
    await firmwareSays(`${UUID.toUpperCase()}\n`);
    expect(await machineIdentity(sys, await state('one'))).toBe(UUID);
    expect(await machineIdentity(sys, await state('two'))).toBe(UUID);
  });

  it.each([
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '03000200-0400-0500-0006-000700080009',
    'Not Settable',
    '',
  ])('whose firmware says "%s" has an id of its own, which its state directory keeps', async (text) => {
    await firmwareSays(text);
    const id = await machineIdentity(sys, await state('one'));
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await machineIdentity(sys, await state('one'))).toBe(id);
    expect(await machineIdentity(sys, await state('two'))).not.toBe(id);
  });

  it('without firmware, whose id was half written, gets another one', async () => {
    const one = await state('one');
    await writeFile(path.join(one, 'machine-id'), '4c4c45');
    expect(await machineIdentity(sys, one)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('that can neither read nor write one fails', async () => {
    await expect(machineIdentity(sys, path.join(directory, 'nowhere'))).rejects.toThrow('ENOENT');
  });
});
