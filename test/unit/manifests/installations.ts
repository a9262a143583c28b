/** Installations that all ways of rendering are tried with: everything that can be told, and each switch by itself. */
import { SETTINGS } from '../../../src/manifests/settings.js';
import { CLUSTERS, type Told } from './three-ways.js';

const KEY = 'AQD0DeVnKhFPLxAAzq1aG1QX0uJr5n9Ln3yzGA==';
const switches = SETTINGS.filter(({ kind }) => kind === 'switch').map(({ path }) => path);
/** What the chart has differently, since Helm makes the namespace. */
export const BASE: Told = { clusters: CLUSTERS, createNamespace: true };
const KEYS = { 'controller.userKey': KEY, 'node.userKey': KEY };
const together = (on: boolean): Told => Object.fromEntries(switches.map((name) => [name, on]));

export const INSTALLATIONS: readonly (readonly [string, Told])[] = [
  ['the defaults', BASE],
  ['with keys', { ...BASE, ...KEYS }],
  ['with the key of the controller alone', { ...BASE, 'controller.userKey': KEY, 'controller.userID': 'ctl' }],
  [
    'everything that can be told',
    {
      ...{ ...BASE, ...KEYS, 'controller.userID': 'ctl', 'node.userID': 'nod', 'controller.replicas': 3 },
      ...{
        'image.repository': 'registry.example:5000/a/berth',
        'image.tag': '1.2.3-ceph20',
        kubeletRoot: '/var/lib/k0s/kubelet',
        volumePlugins: '/opt/kubelet/exec',
        flexVolume: true,
      },
      ...{ 'storageClasses.pool': 'fast', 'storageClasses.clusterID': 'prod' },
      variables: { BERTH_FENCING: 'node-lost', BERTH_LOG_LEVEL: 'debug' },
    },
  ],
  ['every switch on', { ...BASE, ...together(true) }],
  ['every switch off', { ...BASE, ...together(false) }],
  ...switches.map((name): [string, Told] => [
    `${name} the other way`,
    {
      ...BASE,
      [name]: SETTINGS.find((one) => one.path === name)!.fallback !== true,
    },
  ]),
];
