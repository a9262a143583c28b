/** The clusters file: what it may say, and every mistake named with its place. */
import { describe, expect, it } from 'vitest';
import { parseClusters } from '../../../src/rbd/clusters-file.js';

const parse = (text: string) => parseClusters(text, '/etc/berth/clusters.yaml');
const one = (rest: string): string => `clusters:\n  - id: c1\n    monitors: [m1]\n${rest}`;
const pools = '    pools: [{ name: rbd }]\n';
const flexVolume = (said: string): string => one(`    pools: [{ name: rbd, flexVolume: ${said} }]\n`);

describe('the clusters file', () => {
  it('needs little: an id, monitors and a pool', () => {
    expect(parse(one(pools))).toEqual([
      {
        ...{ id: 'c1', monitors: ['m1'], pools: [{ name: 'rbd', namespaces: [''] }], users: {} },
        registry: undefined,
      },
    ]);
  });

  it('may say everything', () => {
    const text = `
clusters:
  - id: c1
    monitors: ['[v2:10.0.0.1:3300,v1:10.0.0.1:6789]', '10.0.0.2']
    pools:
      - { name: rbd, namespaces: [team, '', null-team], flexVolume: { images: any, allowHostMount: true } }
      - name: .mgr
        flexVolume: { images: [vm-1, 'db-*'] }
    users:
      controller: { id: berth-controller, keyFile: /k/controller }
      node: { id: berth-node, keyFile: /k/node }
    registry: { pool: meta, namespace: nodes }
  - { id: c2, monitors: [m], pools: [{ name: p, namespaces: [ns] }] }
`;
    const [first, second] = parse(text);
    expect(first).toMatchObject({
      pools: [
        {
          ...{ name: 'rbd', namespaces: ['team', '', 'null-team'] },
          flexVolume: { images: 'any', allowHostMount: true },
        },
        { name: '.mgr', namespaces: [''], flexVolume: { images: ['vm-1', 'db-*'], allowHostMount: false } },
      ],
      users: { controller: { id: 'berth-controller', keyFile: '/k/controller' }, node: { id: 'berth-node' } },
      registry: { pool: 'meta', namespace: 'nodes' },
    });
    expect(second?.registry).toBeUndefined();
  });

  it('takes an empty entry in namespaces for the default one', () => {
    expect(parse(one('    pools: [{ name: rbd, namespaces: [~, a] }]\n'))[0]?.pools[0]?.namespaces).toEqual(['', 'a']);
  });

  it.each<[string, string, string]>([
    ['nothing', '', 'the file: must be a map'],
    ['a list', '- a', 'the file: must be a map'],
    ['no YAML', 'clusters: [', 'at line 1, column 12'],
    ['a typo at the top', 'cluster: []', 'the file: does not know "cluster"; known: clusters'],
    ['no clusters', 'clusters: []', 'clusters: must be a list with at least one entry'],
    ['clusters that are a map', 'clusters: { id: x }', 'clusters: must be a list'],
    ['a cluster that is a text', 'clusters: [x]', 'clusters[0]: must be a map'],
    ['a typo in a cluster', one(`${pools}    monitor: [m]\n`), 'clusters[0]: does not know "monitor"; known: id, '],
    ['no id', 'clusters: [{ monitors: [m], pools: [{ name: p }] }]', 'clusters[0].id: must be a text'],
    ['a number as id', 'clusters: [{ id: 1, monitors: [m], pools: [{ name: p }] }]', 'clusters[0].id: must be a text'],
    [
      'a port that is none',
      'clusters: [{ id: a, monitors: ["1.2.3.4:99999"] }]',
      'clusters[0].monitors[0]: "99999" is no port',
    ],
    [
      'a comma too many',
      'clusters: [{ id: a, monitors: [m, "10.0.0.1,"] }]',
      'clusters[0].monitors[1]: an address is empty',
    ],
    ['a slash in an id', 'clusters: [{ id: a/b, monitors: [m], pools: [{ name: p }] }]', 'clusters[0].id: letters'],
    ['no monitors', 'clusters: [{ id: a, pools: [{ name: p }] }]', 'clusters[0].monitors: must be a list'],
    ['an empty monitor', `clusters: [{ id: a, monitors: [m, ''] }]`, 'clusters[0].monitors[1]: must be a text'],
    ['no pools', one(''), 'clusters[0].pools: must be a list'],
    ['a pool without name', one('    pools: [{}]\n'), 'clusters[0].pools[0].name: must be a text'],
    ['a pool that is a text', one('    pools: [rbd]\n'), 'clusters[0].pools[0]: must be a map'],
    [
      'a typo in a pool',
      one('    pools: [{ name: a, namespace: b }]\n'),
      'clusters[0].pools[0]: does not know "namespace"',
    ],
    [
      'a pool with a slash',
      one('    pools: [{ name: a }, { name: b/c }]\n'),
      'clusters[0].pools[1].name: "b/c" is not',
    ],
    ['a pool twice', one('    pools: [{ name: a }, { name: a }]\n'), 'clusters[0].pools: names "a" twice'],
    [
      'no namespaces',
      one('    pools: [{ name: a, namespaces: [] }]\n'),
      'clusters[0].pools[0].namespaces: must be a list',
    ],
    ['a namespace twice', one(`    pools: [{ name: a, namespaces: ['', ~] }]\n`), 'namespaces: names "" twice'],
    ['an odd namespace', one(`    pools: [{ name: a, namespaces: [x, '../y'] }]\n`), 'namespaces[1]: "../y" is not'],
    ['an empty section for FlexVolume', flexVolume('{}'), 'pools[0].flexVolume.images: must be a list'],
    ['nothing for FlexVolume', flexVolume('~'), 'pools[0].flexVolume: must be a map'],
    ['a typo for FlexVolume', flexVolume('{ image: any }'), 'flexVolume: does not know "image"; known: images, '],
    ['every image in another word', flexVolume('{ images: ["*"] }'), 'images[0]: "*" is not an image name, or its'],
    ['a star within', flexVolume('{ images: [a, "a*b"] }'), 'flexVolume.images[1]: "a*b" is not an image name'],
    ['a number as image', flexVolume('{ images: [42] }'), 'flexVolume.images[0]: must be a text'],
    ['a text as flag', flexVolume('{ images: any, allowHostMount: "no" }'), 'allowHostMount: must be true or false'],
    ['a typo in users', one(`${pools}    users: { nodes: {} }\n`), 'clusters[0].users: does not know "nodes"'],
    ['an empty user', one(`${pools}    users: { node: }\n`), 'clusters[0].users.node: must be a map'],
    ['a key in the file', one(`${pools}    users: { node: { id: a, key: s } }\n`), 'users.node: does not know "key"'],
    ['no key file', one(`${pools}    users: { node: { id: a } }\n`), 'clusters[0].users.node.keyFile: must be a text'],
    [
      'a prefixed user',
      one(`${pools}    users: { node: { id: client.a, keyFile: /k } }\n`),
      'it is written without "client."',
    ],
    [
      'an odd registry',
      one(`${pools}    registry: { pool: rbd, name: x }\n`),
      'clusters[0].registry: does not know "name"',
    ],
    [
      'two clusters of a name',
      `${one(pools)}  - { id: c1, monitors: [m], pools: [{ name: p }] }\n`,
      'clusters: names "c1" twice',
    ],
  ])('with %s is refused', (_what, text, why) => {
    const read = (): unknown => parse(text);
    expect(read).toThrow(/^BERTH_CONFIG_INVALID: configuration \/etc\/berth\/clusters\.yaml: .+; correct the file$/s);
    expect(read).toThrow(why);
  });
});
