/**
 * Publish and unpublish again and again, watched by another process: a reader finds a complete record or none, and
 * writes nowhere.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recordName } from '../../../src/sandbox/kata/kata-record.js';
import { ext4, RWOP, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';

/** 1,000 take some minutes. */
const ROUNDS = Number(process.env['BERTH_KATA_ROUNDS'] ?? 20);
const ROUND_MS = 3_000;

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('rounds');
  driver = await site.driver('node-one').start();
});
afterAll(() => site.close());

/**
 * Reads the record and lists the directory as fast as it can until its input ends; then says what it saw, without
 * repetition, and how often it looked.
 */
const READER = `
const fs = require('node:fs');
const [file, directory] = process.argv.slice(1);
const seen = new Set(), names = new Set();
let looks = 0, done = false;
process.stdin.on('end', () => (done = true)).resume();
(function look() {
  for (let i = 0; i < 200; i += 1) {
    looks += 1;
    let text = 'none';
    try { text = fs.readFileSync(file, 'utf8'); } catch (error) { if (error.code !== 'ENOENT') text = error.code; }
    seen.add(text);
    try { for (const name of fs.readdirSync(directory)) names.add(name); } catch {}
  }
  if (done) process.stdout.write(JSON.stringify({ looks, seen: [...seen], names: [...names] }));
  else setImmediate(look);
})();
`;

interface Seen {
  readonly looks: number;
  readonly seen: readonly string[];
  /** In the record's directory, at any moment. */
  readonly names: readonly string[];
}

function reader(directory: string): () => Promise<Seen> {
  const child = spawn(process.execPath, ['-e', READER, path.join(directory, 'mountInfo.json'), directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return async () => {
    child.stdin.end();
    await ended;
    return JSON.parse(text) as Seen;
  };
}

it(
  `NodePublish for Kata, a reader beside it: sees a complete record or none in ${ROUNDS} rounds`,
  async () => {
    const volume = await site.create(driver, ext4(RWOP), { sizeBytes: SMALL_BYTES, parameters: { sandbox: 'kata' } });
    await volume.attach(driver);
    await volume.stage(driver);
    const target = await driver.targetPath(volume.id, 'pod');
    await mkdir(driver.kataRecords, { recursive: true });
    const stop = reader(path.join(driver.kataRecords, recordName(target)));
    let seen: Seen;
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        await volume.publish(driver);
        await volume.unpublish(driver);
      }
    } finally {
      seen = await stop();
    }
    const texts = seen.seen.filter((text) => text !== 'none');
    expect(texts.map((text) => (JSON.parse(text) as { device: string }).device)).toEqual([
      expect.stringMatching(/^\/dev\/loop\d+$/),
    ]);
    expect(seen.names).toEqual(['mountInfo.json']);
    expect(seen.looks).toBeGreaterThan(ROUNDS * 10);
    expect(await readdir(driver.kataRecords)).toEqual([]);
    await site.endVolumes();
  },
  60_000 + ROUNDS * ROUND_MS,
);
