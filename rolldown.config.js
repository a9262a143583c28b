// The driver and the programs that it starts as few files: a node process spends most of its start on finding and
// reading hundreds.
import { existsSync } from 'node:fs';

const programs = [
  ...['main', 'rbd/librbd/worker/worker', 'rbd/mapping/nbd/nbd-device'],
  ...['host/clock/kernel-clock', 'host/device/first-page-program', 'host/filesystem/group/give-to-group-program'],
];
const common = {
  platform: 'node',
  // Its native part is looked up beside its own files.
  external: ['koffi'],
};
const output = { format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js' };

/** What ships. */
const shipped = {
  ...common,
  input: Object.fromEntries(programs.map((name) => [name, `dist/src/${name}.js`])),
  output: { ...output, dir: 'dist/src' },
};

/** The FlexVolume driver as one script, for the copy of node that its installer puts beside it. */
const flexvolume = {
  platform: 'node',
  input: { cephrbd: 'dist/flexvolume/main.js' },
  output: { dir: 'dist/flexvolume', format: 'cjs', entryFileNames: '[name].cjs', minify: true },
};

/** The driver for development: a bundle of its own, so that nothing of it gets into a chunk of what ships. */
const development = {
  ...common,
  input: { 'driver-program': 'dist/src/dev/driver-program.js' },
  output: { ...output, dir: 'dist/dev' },
};

// The image is built without src/dev.
export default existsSync(development.input['driver-program'])
  ? [development, shipped, flexvolume]
  : [shipped, flexvolume];
