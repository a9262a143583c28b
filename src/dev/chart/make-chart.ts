/** `npm run chart`: writes the Helm chart anew from the manifests; a test fails where that was forgotten. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from '../../model/package-root.js';
import { chartFiles } from './chart-files.js';

const chart = path.join(packageRoot(), 'deploy', 'helm', 'berth');
const files = chartFiles();
await rm(chart, { recursive: true, force: true });
for (const [name, text] of files) {
  const file = path.join(chart, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}
process.stdout.write(`${files.size} files in ${path.relative(process.cwd(), chart)}\n`);
