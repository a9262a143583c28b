// The rooms of docs/design.md as rules: imports go downward only, and never in a circle.
const room = (name) => `^src/${name}/`;
const forbid = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to },
});
const above = (...names) => `^src/(${names.join('|')})(/|[.])`;

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
      'only-main-is-wired',
      '^src/(?!wiring/|main[.]ts)',
      room('wiring'),
      'it knows all rooms, and none of them it',
    ),
    forbid('model-is-the-ground', room('model'), '^src/(?!model/)', 'shared value types know no room'),
    forbid('observe-stands-on-model', room('observe'), '^src/(?!observe/|model/)', 'logs and metrics serve everybody'),
    forbid(
      'host-knows-no-ceph',
      room('host'),
      '^src/(?!host/|observe/|model/)',
      'host knows nothing of Ceph, Kubernetes or CSI',
    ),
    forbid('rbd-stands-on-host', room('rbd'), '^src/(?!rbd/|host/|observe/|model/)', 'rbd -> host'),
    forbid(
      'attachment-stands-on-rbd',
      room('attachment'),
      '^src/(?!attachment/|rbd/|observe/|model/)',
      'attachment -> rbd',
    ),
    forbid('journal-stands-on-host', room('journal'), '^src/(?!journal/|host/|observe/|model/)', 'journal -> host'),
    forbid(
      'sandbox-is-given-a-device',
      room('sandbox'),
      '^src/(?!sandbox/|host/|observe/|model/)',
      'sandbox never imports rbd',
    ),
    forbid(
      'volume-knows-no-edge',
      room('volume'),
      above('csi', 'flexvolume', 'cli', 'reconcile', 'kube', 'dev', 'main'),
      'use cases know no gRPC',
    ),
    forbid(
      'edges-go-through-volume',
      room('(csi|flexvolume|cli)'),
      '^src/(attachment|journal|sandbox|host)/',
      'edges call volume/',
    ),
    forbid(
      'doors-are-apart',
      room('flexvolume'),
      '^src/(csi/(?!(drain|endpoint|status)[.]ts)|cli/|kube/|reconcile/)',
      'one door does not open another: of the CSI edge only what any socket needs',
    ),
    forbid('csi-knows-no-flexvolume', room('csi'), room('flexvolume'), 'one door does not open another'),
    forbid(
      'reconcile-acts-through-volume',
      room('reconcile'),
      '^src/(attachment/|sandbox/|csi/|journal/journal[.]ts|host/(?!(bounded|errno|mountinfo)[.]ts))',
      'it reads what is there by itself and changes nothing by itself',
    ),
    forbid(
      'only-main-reconciles',
      '^src/(?!reconcile/|cli/|wiring/|main[.]ts)',
      room('reconcile'),
      'a loop, not a library; a person at a terminal is told what it would say',
    ),
    forbid(
      'kube-stands-on-its-seams',
      room('kube'),
      '^src/(?!kube/|observe/|model/|attachment/node-state[.]ts|sandbox/(choose|pod)[.]ts)',
      'the API is told and asked; it decides nothing',
    ),
    forbid(
      'few-know-kubernetes',
      '^src/(?!kube/|cli/|reconcile/|wiring/|main[.]ts)',
      room('kube'),
      'everybody else works without it, through a seam of his own',
    ),
    forbid(
      'dev-runs-the-driver-as-a-process',
      room('dev'),
      '^src/(?!dev/|csi/gen/|csi/proto[.]ts|host/|observe/|model/)',
      'dev starts the driver, it does not import it',
    ),
    forbid('nobody-needs-dev', '^src/(?!dev/)', room('dev'), 'the product ships without it'),
    {
      name: 'foreign-functions-live-in-processes-of-their-own',
      severity: 'error',
      from: { pathNot: '^src/(rbd/(librbd|netlink)|host/clock)/' },
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
