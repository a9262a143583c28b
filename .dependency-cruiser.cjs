// The rooms of docs/design.md as rules: imports go downward only, and never in a circle.
const room = (name) => `^src/${name}/`;
const forbid = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to },
});
/** Everything of src but these rooms and files. */
const allBut = (...names) => `^src/(?!(?:${names.join('|')}))`;

module.exports = {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphan', severity: 'error', from: { orphan: true, pathNot: ['[.]d[.]ts$', '^src/csi/gen/'] }, to: {} },
    {
      name: 'not-to-dev-dependency',
      severity: 'error',
      from: { path: '^src' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nobody-imports-main',
      severity: 'error',
      from: { pathNot: '^src/main[.]ts$' },
      to: { path: '^src/main[.]ts$' },
    },
    forbid(
      'only-programs-are-wired',
      '^src/(?!wiring/|main[.]ts|dev/driver-program[.]ts)',
      room('wiring'),
      'it knows all rooms, and none of them it',
    ),

    // Upward from the shared value types.
    forbid('model-knows-no-room', room('model'), allBut('model/'), 'shared value types serve all'),
    forbid('observe-stands-on-model', room('observe'), allBut('observe/', 'model/'), 'logs and metrics serve all'),
    forbid(
      'host-knows-no-ceph',
      room('host'),
      allBut('host/', 'observe/', 'model/'),
      'host knows nothing of Ceph, Kubernetes or CSI',
    ),
    forbid('rbd-stands-on-host', room('rbd'), allBut('rbd/', 'host/', 'observe/', 'model/'), 'rbd -> host'),
    forbid(
      'attachment-stands-on-rbd',
      room('attachment'),
      allBut('attachment/', 'rbd/', 'observe/', 'model/'),
      'attachment -> rbd',
    ),
    forbid('journal-stands-on-host', room('journal'), allBut('journal/', 'host/', 'observe/', 'model/'), '-> host'),
    forbid(
      'sandbox-is-given-a-device',
      room('sandbox'),
      allBut('sandbox/', 'host/', 'observe/', 'model/'),
      'sandbox never imports rbd',
    ),

    // Inside of volume: flexvolume -> controller | node -> operation, image.
    forbid(
      'volume-knows-no-edge',
      room('volume'),
      allBut('volume/', 'rbd/', 'attachment/', 'journal/', 'sandbox/', 'host/', 'observe/', 'model/'),
      'use cases know no gRPC',
    ),
    forbid('image-knows-no-use-case', room('volume/image'), '^src/volume/(?!image/)', 'what an image says'),
    forbid('operation-knows-no-use-case', room('volume/operation'), '^src/volume/(?!operation/)', 'how work is run'),
    forbid(
      'image-is-no-node',
      room('volume/(image|controller)'),
      '^src/(journal|host/(?!filesystem/))/',
      'a controller has no devices',
    ),
    forbid(
      'controller-and-node-are-apart',
      room('volume/controller'),
      room('volume/(node|flexvolume)'),
      'they are two processes',
    ),
    forbid(
      'node-and-controller-are-apart',
      room('volume/node'),
      room('volume/(controller|flexvolume)'),
      'they are two processes',
    ),
    forbid(
      'filesystem-knows-no-sandbox',
      room('volume/node/filesystem'),
      room('volume/node/(guest|handover|recovery)'),
      'a filesystem on a device, whoever uses it',
    ),
    forbid(
      'guest-is-no-handover',
      room('volume/node/guest'),
      room('volume/node/(handover|recovery)'),
      'left to a guest, or handed over: two ways',
    ),

    // Above volume.
    forbid(
      'diagnosis-changes-nothing',
      room('diagnosis'),
      '^src/(?!(?:diagnosis|volume|kube|rbd|attachment|journal|sandbox|host|observe|model)/)',
      'diagnosis -> volume, kube',
    ),
    forbid(
      'few-ask-for-a-diagnosis',
      '^src/(?!diagnosis/|csi/|flexvolume/|cli/|page/|reconcile/|wiring/|dev/)',
      room('diagnosis'),
      'what is below is examined, and does not examine',
    ),
    forbid(
      'serving-is-shared-by-edges',
      room('serving'),
      allBut('serving/', 'observe/', 'model/'),
      'sockets and shutdown: no use case, no gRPC service',
    ),
    forbid(
      'only-edges-serve',
      '^src/(?!serving/|csi/|flexvolume/|wiring/)',
      room('serving'),
      'what both edges need to serve a socket',
    ),
    forbid(
      'edges-go-through-volume',
      room('(csi|flexvolume|cli)'),
      '^src/(attachment|journal|sandbox|host)/',
      'edges call volume/',
    ),
    forbid(
      'page-only-shows',
      room('page'),
      allBut('page/', 'diagnosis/', 'observe/', 'model/'),
      'it is told what diagnosis sees: no use case, no cluster, no API of its own',
    ),
    forbid('only-wiring-opens-the-page', '^src/(?!page/|wiring/)', room('page'), 'nobody else needs it'),
    forbid(
      'options-are-values',
      room('options'),
      '^src/(?!(?:options|model)/|attachment/decide-detach[.]ts|rbd/mapping/mapper[.]ts)',
      'a table: it starts nothing',
    ),
    forbid(
      'manifests-are-texts',
      room('manifests'),
      '^src/(?!(?:manifests|options|model)/|rbd/clusters-file[.]ts)',
      'it renders files of deploy/: no cluster, no API',
    ),
    forbid('few-print-manifests', '^src/(?!manifests/|cli/|wiring/|dev/)', room('manifests'), 'no driver needs them'),
    forbid(
      'only-programs-read-options',
      '^src/(?!options/|cli/|manifests/|wiring/|dev/)',
      room('options'),
      'everybody else is given the values that he needs',
    ),
    forbid(
      'flexvolume-knows-no-csi',
      room('flexvolume'),
      '^src/(csi|cli|kube|reconcile)/',
      'one edge does not use another',
    ),
    forbid('csi-knows-no-flexvolume', room('csi'), room('flexvolume'), 'one edge does not use another'),
    forbid(
      'reconcile-acts-through-volume',
      room('reconcile'),
      '^src/(attachment/|sandbox/|csi/|journal/journal[.]ts)',
      'it reads what is there by itself and changes nothing by itself',
    ),
    forbid('only-loops-reconcile', '^src/(?!reconcile/|cli/|wiring/)', room('reconcile'), 'a loop, not a library'),
    forbid(
      'kube-stands-on-its-seams',
      room('kube'),
      '^src/(?!kube/|observe/|model/|attachment/node-state[.]ts|sandbox/(choose-sandbox|pod)[.]ts)',
      'the API is told and asked; it decides nothing',
    ),
    forbid(
      'few-know-kubernetes',
      '^src/(?!kube/|diagnosis/|reconcile/|wiring/)',
      room('kube'),
      'everybody else works without it, through a seam of his own',
    ),
    forbid('nobody-needs-dev', '^src/(?!dev/)', room('dev'), 'the product ships without it'),
    {
      name: 'foreign-functions-live-in-processes-of-their-own',
      severity: 'error',
      from: { pathNot: '^src/(rbd/(librbd|mapping/nbd)|host/clock)/' },
      to: { path: 'node_modules/koffi' },
    },
    {
      name: 'children-are-run-by-exec',
      severity: 'error',
      from: { pathNot: '^src/(host|dev)/' },
      to: { path: 'node_modules/execa' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/csi/gen/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
