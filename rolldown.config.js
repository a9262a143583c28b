// The driver and the programs that it starts as few files: a node process spends most of its start on finding and
// reading hundreds.
const programs = ['main', 'rbd/librbd/worker/worker', 'rbd/mapping/nbd/nbd-device', 'host/clock/kernel-clock'];

export default {
  input: Object.fromEntries(programs.map((name) => [name, `dist/src/${name}.js`])),
  platform: 'node',
  // Its native part is looked up beside its own files.
  external: ['koffi'],
  output: { dir: 'dist/src', format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js' },
};
