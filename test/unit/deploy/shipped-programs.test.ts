/** The JavaScript that ships, as `npm run build` bundled it: nothing of the development driver is in any file of it. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { root, text } from './objects.js';

interface Bundle {
  readonly input: Readonly<Record<string, string>>;
  readonly output: { readonly dir: string };
}

const { default: bundles } = (await import(pathToFileURL(path.join(root, 'rolldown.config.js')).href)) as {
  default: readonly Bundle[];
};
const filesOf = ({ input, output }: Bundle): readonly string[] =>
  Object.keys(input).map((name) => path.join(root, output.dir, `${name}.js`));
const shipped = bundles.filter(({ output }) => output.dir === 'dist/src');
const forDevelopment = bundles.filter(({ output }) => output.dir === 'dist/dev');

/** These programs and every file of ours that they load, by name. */
function closure(programs: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const visit = (file: string): void => {
    if (found.has(file)) return;
    const code = readFileSync(file, 'utf8');
    found.set(file, code);
    // A library's comments name the types of its own files; they load nothing.
    const statements = code.replaceAll(/^\s*(?:\*|\/\*\*).*$/gm, '');
    for (const [, other = ''] of statements.matchAll(/(?:from|import) ?\(?["'](\.{1,2}\/[^"']+\.js)["']/g)) {
      visit(path.resolve(path.dirname(file), other));
    }
  };
  for (const file of programs) visit(file);
  return found;
}

/** Names of files in `from` in which the word stands, and of which source file the line is. */
function places(files: ReadonlyMap<string, string>, word: RegExp): readonly string[] {
  return [...files.values()].flatMap((code) => {
    let source = 'unknown';
    return code.split('\n').flatMap((line) => {
      source = /^\/\/(?:#region)? ?(dist\/\S+|node_modules\/\S+)/.exec(line)?.[1] ?? source;
      return word.test(line) ? [source] : [];
    });
  });
}

describe('the programs that ship', () => {
  const files = closure(shipped.flatMap(filesOf));

  it('are main, with the librbd worker and what else it starts, and share no file with the development driver', () => {
    expect(shipped.flatMap(({ input }) => Object.keys(input))).toEqual([
      ...['main', 'rbd/librbd/worker/worker', 'rbd/mapping/nbd/nbd-device', 'host/clock/kernel-clock'],
      ...['host/device/first-page-program', 'host/filesystem/group/give-to-group-program'],
    ]);
    expect(text('Dockerfile')).toMatch(/^ENTRYPOINT .*main\.js/m);
    expect(forDevelopment.length).toBe(1);
    expect([...closure(forDevelopment.flatMap(filesOf)).keys()].filter((file) => files.has(file))).toEqual([]);
  });

  it('are, beside these, the FlexVolume driver as one script, which asks the agent and no more', () => {
    const others = bundles.filter((one) => !shipped.includes(one) && !forDevelopment.includes(one));
    expect(others.map(({ input, output }) => [Object.keys(input), output.dir])).toEqual([
      [['cephrbd'], 'dist/flexvolume'],
    ]);
    const script = text('dist/flexvolume/cephrbd.cjs');
    expect(script.length).toBeLessThan(50_000);
    const needed = [...script.matchAll(/require\([`"'](?:node:)?([\w/:]+)[`"']\)/g)].map(([, name]) => name!);
    expect([...new Set(needed)].toSorted()).toEqual(['fs', 'fs/promises', 'net', 'path']);
  });

  it.each([/qemu-storage-daemon/i, /\bqmp/i, /losetup/i, /loop-?mapper/i, /loop-control/, /block-export-add/])(
    'have nothing of the loop-device mapper: no %s',
    (word) => {
      expect(places(files, word)).toEqual([]);
    },
  );

  it.each([/BERTH_(CRASH|FREEZE)_AT/, /crash-?at/i, /\bdist\/src\/dev\//])(
    'cannot be told to end themselves: no %s',
    (word) => {
      expect(places(files, word)).toEqual([]);
    },
  );

  it('name QEMU only as what a guest runs in', () => {
    const guests = /^dist\/src\/(host\/users|sandbox|volume\/node\/handover)\//;
    expect(places(files, /qemu/i).filter((source) => !guests.test(source))).toEqual([]);
  });

  it('are told from the development driver by these words, which are in that one', () => {
    const development = closure(forDevelopment.flatMap(filesOf));
    for (const word of [/qemu-storage-daemon/, /QmpSession/, /losetup/, /LoopMapper/, /BERTH_CRASH_AT/]) {
      expect(places(development, word), String(word)).not.toEqual([]);
    }
  });

  it('are built into an image without the sources of the other, which the build makes sure of', () => {
    expect(text('.dockerignore').split('\n')).toContain('src/dev');
    expect(text('Dockerfile')).toContain('test ! -e dist/src/dev && test ! -e dist/dev');
    expect(existsSync(path.join(root, 'src/dev/driver-program.ts'))).toBe(true);
  });
});
