/** What `npm run demo` is told, what it tells in which order, and when it ends early. */
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { untilAskedToEnd } from '../../../../src/dev/demo/ask-to-end.js';
import { chaptersOf } from '../../../../src/dev/demo/chapters.js';
import { readArguments, USAGE } from '../../../../src/dev/demo/demo-arguments.js';
import { GuestStage } from '../../../../src/dev/demo/guest-stage.js';
import { terminalText } from '../../../../src/dev/say.js';

describe('readArguments', () => {
  it('without any: virtual machines are a part of the demo, on the releases of this machine', () => {
    expect(readArguments([])).toEqual({ help: false, ceph: undefined, client: undefined, guests: true });
  });

  it('--hosts-only, or a client whose root hides the QEMU of this machine: no virtual machines', () => {
    expect(readArguments(['--hosts-only'])).toMatchObject({ guests: false });
    expect(readArguments(['--client', '18'])).toMatchObject({ guests: false, client: '18' });
    expect(readArguments(['--ceph', '18'])).toMatchObject({ guests: true, ceph: '18' });
  });

  it.each([['--nonsense'], ['word'], ['--ceph'], ['--hosts-only=yes']])('%s is refused', (argument) => {
    expect(() => readArguments([argument])).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_PARSE_ARGS/) as string }),
    );
  });

  it('has a word in the usage for each argument', () => {
    for (const name of ['--hosts-only', '--ceph', '--client', '--help']) expect(USAGE).toContain(`  ${name}`);
  });
});

describe('chaptersOf', () => {
  const titles = (stage: GuestStage | undefined) => chaptersOf(stage).map(({ title }) => title);

  it('tells of hosts first, then of Kata, then of hyperd, for its guest reads what those of Kata wrote', () => {
    expect(titles(Object.create(GuestStage.prototype) as GuestStage)).toEqual([
      expect.stringContaining('hosts'),
      expect.stringContaining('Kata'),
      expect.stringContaining('hyperd'),
    ]);
  });

  it('tells of hosts alone without a stage for guests', () => {
    expect(titles(undefined)).toEqual([expect.stringContaining('hosts')]);
  });
});

describe('untilAskedToEnd', () => {
  const before = process.listeners('SIGHUP').concat(process.listeners('SIGTERM'), process.listeners('SIGINT'));
  afterEach(() => {
    for (const signal of ['SIGHUP', 'SIGTERM', 'SIGINT'] as const)
      for (const one of process.listeners(signal)) if (!before.includes(one)) process.off(signal, one);
  });

  it('an output that nobody reads: asked to end, as often as it fails, and no error of the process', () => {
    const output = new PassThrough();
    const asked = untilAskedToEnd([output]);
    expect(asked.aborted).toBe(false);
    output.emit('error', new Error('write EPIPE'));
    output.emit('error', new Error('write EPIPE'));
    expect(asked.aborted).toBe(true);
    expect(terminalText(asked.reason)).toBe('ended early: its output was closed');
  });

  it('a signal: asked to end, naming it', () => {
    const asked = untilAskedToEnd([]);
    process.emit('SIGHUP');
    expect(terminalText(asked.reason)).toBe('ended early: SIGHUP');
  });
});
