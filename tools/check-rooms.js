// Checks the sizes that a reader feels: lines of a file, files of a folder, width of a line, and how far one file of
// volume/ leads. `--print` draws the rooms of src/ and their arrows instead.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const MAX_FILE_LINES = 300;
const MAX_FOLDER_FILES = 15;
const MAX_COLUMNS = 120;
/** Files in a row that import one another, inside of src/volume/. */
const MAX_CHAIN = 8;
/** The catalogue of errors is one list, and stays one. */
const LONG_ALLOWED = new Set(['src/model/catalogue/catalogue.ts']);
const GENERATED = 'src/csi/gen/';

const filesBelow = (root) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(GENERATED))
    .sort();

/** @returns {Promise<Map<string, string[]>>} what each file of src/ imports of src/ */
async function importsOfSource() {
  const options = {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: `node_modules|^${GENERATED}` },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  };
  const { output } = await cruise(['src'], options, undefined, { tsConfig: extractTSConfig('tsconfig.json') });
  return new Map(
    output.modules
      .filter(({ source }) => source.startsWith('src/'))
      .map(({ source, dependencies }) => [
        source,
        dependencies.map(({ resolved }) => resolved).filter((one) => one.startsWith('src/')),
      ]),
  );
}

/** The longest row of files below `room` of which each imports the next. There are no cycles (dependency-cruiser). */
function longestChain(imports, room) {
  const known = new Map();
  const from = (file) => {
    const present = known.get(file);
    if (present !== undefined) return present;
    const rows = (imports.get(file) ?? []).filter((one) => one.startsWith(room)).map(from);
    const longest = [file, ...rows.reduce((a, b) => (b.length > a.length ? b : a), [])];
    known.set(file, longest);
    return longest;
  };
  return [...imports.keys()]
    .filter((file) => file.startsWith(room))
    .map(from)
    .reduce((a, b) => (b.length > a.length ? b : a), []);
}

function checkSizes(imports) {
  const wrong = [];
  const folders = new Map();
  for (const file of filesBelow('src')) {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').length;
    if (lines > MAX_FILE_LINES && !LONG_ALLOWED.has(file)) wrong.push(`${file}: ${lines} lines`);
    folders.set(path.dirname(file), (folders.get(path.dirname(file)) ?? 0) + 1);
  }
  for (const [folder, count] of folders) if (count > MAX_FOLDER_FILES) wrong.push(`${folder}: ${count} files`);
  for (const file of ['src', 'flexvolume', 'test', 'bench'].flatMap(filesBelow)) {
    if (file.includes('node_modules')) continue;
    readFileSync(file, 'utf8')
      .split('\n')
      .forEach((line, index) => {
        // Generated names are as long as they are, and an import has no place to break.
        if (line.length > MAX_COLUMNS && !line.startsWith('import type {'))
          wrong.push(`${file}:${index + 1}: ${line.length} columns`);
      });
  }
  const chain = longestChain(imports, 'src/volume/');
  if (chain.length > MAX_CHAIN) wrong.push(`a chain of ${chain.length} files: ${chain.join(' -> ')}`);
  return wrong;
}

const roomOf = (file) => {
  const [, first, second, ...rest] = file.split('/');
  if (second === undefined) return first;
  return rest.length > 0 && ['volume', 'rbd'].includes(first) ? `${first}/${second}` : first;
};

function printRooms(imports) {
  const rooms = new Map();
  for (const [file, targets] of imports) {
    const room = rooms.get(roomOf(file)) ?? { files: 0, to: new Set() };
    rooms.set(roomOf(file), room);
    room.files += 1;
    for (const target of targets) if (roomOf(target) !== roomOf(file)) room.to.add(roomOf(target));
  }
  for (const [name, { files, to }] of [...rooms].sort(([a], [b]) => a.localeCompare(b))) {
    process.stdout.write(`${name.padEnd(20)} ${String(files).padStart(3)} files -> ${[...to].sort().join(', ')}\n`);
  }
}

const imports = await importsOfSource();
if (process.argv.includes('--print')) printRooms(imports);
else {
  const wrong = checkSizes(imports);
  for (const one of wrong) process.stderr.write(`${one}\n`);
  if (wrong.length > 0) process.exitCode = 1;
}
