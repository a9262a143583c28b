/** A recorded terminal as one SVG file. */
import { describe, expect, it } from 'vitest';
import { recordingSvg, type RecordedLine } from '../../../../src/dev/demo/recording-svg.js';

const lines = (count: number, everyMs = 100): RecordedLine[] =>
  Array.from({ length: count }, (_, index) => ({ atMs: index * everyMs, text: `line ${index}` }));
const delays = (svg: string): number[] => [...svg.matchAll(/animation-delay:(\d+)ms/gu)].map(([, ms]) => Number(ms));

describe('recordingSvg', () => {
  it('shows each line once, in its order, when it came', () => {
    const svg = recordingSvg('a demo', lines(5));
    expect([...svg.matchAll(/>(line \d)</gu)].map(([, text]) => text)).toEqual(lines(5).map(({ text }) => text));
    expect(delays(svg)).toEqual([0, 100, 200, 300, 400]);
  });

  it('makes a long pause short, and moves what comes behind it', () => {
    const svg = recordingSvg('a demo', [
      { atMs: 0, text: 'a' },
      { atMs: 60_000, text: 'b' },
      { atMs: 60_100, text: 'c' },
    ]);
    expect(delays(svg)).toEqual([0, 1_200, 1_300]);
  });

  it('scrolls up by a line for each that has no room, and is never taller than a screen', () => {
    const svg = recordingSvg('a demo', lines(33));
    expect(svg).toContain(`height="${30 * 17 + 28}"`);
    expect([...svg.matchAll(/%\{transform:translateY\((-?\d+)px\)\}/gu)].map(([, px]) => Number(px))).toEqual([
      0, -17, -34, -51, -51,
    ]);
    expect(recordingSvg('a demo', lines(3))).toContain(`height="${3 * 17 + 28}"`);
  });

  it('breaks what is wider than 120 columns at a space, below the last column', () => {
    const seen = Array.from({ length: 20 }, (_, index) => `word-${index}`).join(' ');
    const columns = '     12  attach to node-two: refused   ';
    const svg = recordingSvg('a demo', [{ atMs: 0, text: `${columns}${seen}` }]);
    const shown = [...svg.matchAll(/>([^<>\n]+)<\/text>/gu)].map(([, text]) => text!);
    expect(shown.length).toBeGreaterThan(1);
    expect(shown.every((text) => text.length <= 120)).toBe(true);
    expect(shown.slice(1).every((text) => text.startsWith(`${' '.repeat(columns.length)}word-`))).toBe(true);
    expect(shown.map((text, index) => (index === 0 ? text.slice(columns.length) : text.trim())).join(' ')).toBe(seen);
    const unbroken = recordingSvg('a demo', [{ atMs: 0, text: 'x'.repeat(250) }]);
    expect([...unbroken.matchAll(/>(x+)</gu)].map(([, text]) => text!.length)).toEqual([120, 120, 10]);
  });

  it('shows the last screen where motion is not wanted', () => {
    expect(recordingSvg('a demo', lines(31))).toMatch(
      /\.all\{transform:translateY\(-17px\);.*prefers-reduced-motion:reduce\)\{text,\.all\{animation:none\}\}/su,
    );
  });

  it('has no markup of its own from what was said, and no control characters', () => {
    const svg = recordingSvg('<b> & more', [{ atMs: 0, text: '\u001b[32m<script>a && b</script>\u0007' }]);
    expect(svg).toContain('>&lt;script&gt;a &amp;&amp; b&lt;/script&gt;<');
    expect(svg).toContain('&lt;b&gt; &amp; more');
    expect(svg).not.toMatch(/\u001b|\u0007|<script|<b>/u);
  });
});
