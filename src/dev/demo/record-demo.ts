/** `npm run demo:record`: plays the demo as a program of its own and writes what it said as docs/images/demo.svg. */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../model/package-root.js';
import { runTool, WrongCall } from '../run-tool.js';
import { say } from '../say.js';
import { recordingSvg, type RecordedLine } from './recording-svg.js';

const USAGE = `usage: npm run demo:record

Plays the demo, which takes its minutes and needs what it needs, and writes docs/images/demo.svg.
`;

const FILE = 'docs/images/demo.svg';

/** The lines of its standard output with their times, and how it ended. */
async function play(): Promise<{ readonly lines: readonly RecordedLine[]; readonly code: number | null }> {
  const demo = path.join(packageRoot(), 'dist/src/dev/demo.js');
  const began = performance.now();
  const lines: RecordedLine[] = [{ atMs: 0, text: '$ npm run demo' }];
  const child = spawn(process.execPath, [demo], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  for await (const text of createInterface(child.stdout)) {
    lines.push({ atMs: performance.now() - began, text });
    say(text);
  }
  return { lines, code: await ended };
}

await runTool(USAGE, async () => {
  if (process.argv.length > 2) throw new WrongCall(`it takes no arguments: ${process.argv.slice(2).join(' ')}`);
  const { lines, code } = await play();
  if (code !== 0) throw new Error(`the demo ended with ${String(code)}: nothing was recorded`);
  const file = path.join(packageRoot(), FILE);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, recordingSvg('The demo of Berth: a volume’s life on hosts and in virtual machines', lines));
  say(`written: ${FILE}`);
  return 0;
});
