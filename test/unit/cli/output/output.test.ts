/** Tables within 100 columns, wrapping and colour on a terminal alone, JSON and YAML that are whole, and watching. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { columns } from '../../../../src/cli/output/columns.js';
import { printVolumes } from '../../../../src/cli/output/print-volumes.js';
import { sizeText } from '../../../../src/diagnosis/volumes/size-text.js';
import { show, textOf, type Sight } from '../../../../src/cli/output/show.js';
import { forTerminal, terminalOf, wrapped } from '../../../../src/cli/output/terminal.js';
import type { VolumeRow } from '../../../../src/diagnosis/volumes/volume-rows.js';

const uuid = '8c1f0a52-1c1e-4d0f-9a55-0123456789ab';
const volume: VolumeRow = {
  ...{ claim: 'a-namespace-of-some-length/data-database-with-a-long-name-0', pv: `pvc-${uuid}` },
  ...{ volume: `main/hyper/berth-pvc-${uuid}`, sizeBytes: 10n * 2n ** 30n, nodes: ['worker-7.example.org'] },
  ...{ device: '/dev/rbd12', sandbox: 'kata', state: 'staged', says: '' },
};

describe('a table', () => {
  it('has at most 100 columns: what is widest is cut in its middle', () => {
    const lines = printVolumes({ volumes: [volume], leftOut: [] }, false)
      .trimEnd()
      .split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(lines[0]).toMatch(/^CLAIM +PV +SIZE +NODE +DEVICE +SANDBOX +STATE$/);
    expect(lines[1]).toMatch(/^a-namespa.*…\S+-0 +pvc-8c1f.*…\S*89ab +10Gi +worker.*\/dev\/rbd12 +kata +staged$/);
  });

  it('that is wide has everything in full', () => {
    const text = printVolumes({ volumes: [volume], leftOut: ['images: away'] }, true);
    for (const one of [volume.claim!, volume.pv!, volume.volume, '10Gi']) expect(text).toContain(one);
    expect(text).toMatch(/\nnot looked at: images: away\n$/);
  });

  it('of narrow cells is as narrow', () => {
    expect(columns(['a', 'b'], [{ a: 'x', b: 'yy' }], 100)).toBe('A  B\nx  yy\n');
  });

  it.each([
    [0n, '0'],
    [1023n, '1023'],
    [2n ** 30n, '1Gi'],
    [3n * 2n ** 29n, '1536Mi'],
    [2n ** 40n, '1Ti'],
  ])('says %s bytes as %s', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });
});

describe('a terminal', () => {
  const long = `failed   mapper             ${'a word '.repeat(30).trim()}`;

  it('gets long lines wrapped below where their sentence begins', () => {
    const lines = wrapped(long, 80).split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(lines.slice(1).every((line) => line.startsWith(`${' '.repeat(28)}a`) || /^ {28}word/.test(line))).toBe(true);
    expect(lines.map((line) => line.trim()).join(' ')).toBe(long);
    const address = `do  ${'x'.repeat(120)}`;
    expect(wrapped(address, 80).replaceAll(/\s+/g, '')).toBe(address.replaceAll(/\s+/g, ''));
  });

  it('gets colour, unless NO_COLOR or a dumb terminal say no; a pipe gets neither', () => {
    const tty = { isTTY: true, columns: 200 };
    const red = '\u001b[31mfailed\u001b[0m';
    expect(forTerminal('failed  x', terminalOf(tty, { TERM: 'xterm' })!)).toBe(`${red}  x`);
    expect(forTerminal('failed  x', terminalOf(tty, { NO_COLOR: '1' })!)).toBe('failed  x');
    expect(terminalOf(tty, { TERM: 'dumb' })).toEqual({ columns: 200, hasColour: false });
    expect(terminalOf({}, {})).toBeUndefined();
    const sight: Sight = { data: 1, text: () => long, code: 0 };
    expect(textOf(sight, 'table', undefined)).toBe(long);
    expect(textOf(sight, 'wide', terminalOf(tty, {}))).toBe(long);
  });
});

describe('what was seen', () => {
  const sight: Sight = { data: { volumes: [volume], leftOut: [] }, text: () => 'text\n', code: 2 };

  it('is whole in JSON and YAML, sizes as text', () => {
    const whole = { volumes: [{ ...volume, sizeBytes: '10737418240' }], leftOut: [] };
    expect(JSON.parse(textOf(sight, 'json', undefined))).toEqual(whole);
    expect(parse(textOf(sight, 'yaml', undefined))).toEqual(whole);
  });

  it('is looked at again until somebody ends it, also past a failure; the last look decides the end', async () => {
    const end = new AbortController();
    const printed: string[] = [];
    const looks: (() => Promise<Sight>)[] = [
      () => Promise.resolve(sight),
      () => Promise.reject(new Error('the API is away')),
      () => Promise.resolve({ ...sight, text: () => 'well\n', code: 0 }),
    ];
    const print = (text: string): void => {
      printed.push(text);
      if (text.includes('well')) end.abort();
    };
    const screen = { print, warn: print, terminal: undefined, signal: end.signal };
    const code = await show(() => looks.shift()!(), { output: 'table', everyMs: 1 }, screen);
    expect(code).toBe(0);
    expect(printed.map((one) => one.replace(/^# \S+\n/, ''))).toEqual(['text\n', 'text\nthe API is away\n', 'well\n']);
  });

  it.each([
    ['json', JSON.parse],
    ['yaml', (text: string): unknown => parse(text.replace(/^---\n/, ''))],
  ] as const)('again and again in %s is documents alone; a failure goes to who reads errors', async (output, read) => {
    const end = new AbortController();
    const [printed, warned]: [string[], string[]] = [[], []];
    const looks: (() => Promise<Sight>)[] = [
      () => Promise.resolve({ ...sight, data: 1 }),
      () => Promise.reject(new Error('the API is away')),
      () => Promise.resolve({ ...sight, data: 2 }),
    ];
    const print = (text: string): void => {
      printed.push(text);
      if (printed.length === 2) end.abort();
    };
    const screen = { print, warn: (text: string) => void warned.push(text), terminal: undefined, signal: end.signal };
    await show(() => looks.shift()!(), { output, everyMs: 1 }, screen);
    expect(printed.map((text) => read(text) as number)).toEqual([1, 2]);
    expect(warned).toEqual(['the API is away\n']);
  });
});
